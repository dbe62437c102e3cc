import type { EncoderConfig } from '@chorale/model';
import { LAYER_MODULES, checkpointModuleName, classifierNames } from '@chorale/model';
import type { AdaptedModule, AdapterLayout } from '../adapterLayout.ts';

/** Before every tensor name of an adapter: the wrapped model's own names follow. */
export const PEFT_PREFIX = 'base_model.model.';

/** The names of one module's factors in PEFT's file, where A is [rank, inDim] and B [outDim, rank]. */
export function factorNames(
  encoder: EncoderConfig,
  { layer, module }: AdaptedModule,
): { a: string; b: string } {
  const name = PEFT_PREFIX + checkpointModuleName(encoder, layer, module);
  return { a: `${name}.lora_A.weight`, b: `${name}.lora_B.weight` };
}

/**
 * The names of the classifier and of the pooler where it is a part of the classifier module, as RoBERTa's is, without
 * `.weight` and `.bias`. Other poolers belong to the base model.
 */
export function headNames(encoder: EncoderConfig): { classifier: string; pooler: string | null } {
  const { classifier, pooler } = classifierNames(encoder);
  return {
    classifier: PEFT_PREFIX + classifier,
    pooler: pooler.startsWith('classifier.') ? PEFT_PREFIX + pooler : null,
  };
}

/**
 * What PEFT is to adapt, in the checkpoint's own words. It adapts every module whose name is a target or ends with a dot
 * and a target, and `attention.output.dense` ends with `output.dense`: each module gets the shortest end of its name that
 * is no other module's, and where there is none and not all that it would hit is adapted, all modules are named in full.
 */
export function peftTargets(encoder: EncoderConfig, { modules }: AdapterLayout): string[] {
  const fullName = ({ layer, module }: Pick<AdaptedModule, 'layer' | 'module'>) =>
    checkpointModuleName(encoder, layer, module);
  const inLayer = (module: AdaptedModule['module']) =>
    fullName({ layer: 0, module }).replace(/^.*?\.layer\.0\./, '');
  const all = LAYER_MODULES.map(inLayer);
  const adapted = [...new Set(modules.map(({ module }) => inLayer(module)))];
  const hitBy = (target: string) => all.filter((name) => name === target || name.endsWith(`.${target}`));
  const targets = adapted.map((name) => {
    const ends = name.split('.').map((_, i, parts) => parts.slice(parts.length - 1 - i).join('.'));
    const unique = ends.find((end) => hitBy(end).length === 1);
    return unique ?? (hitBy(name).every((hit) => adapted.includes(hit)) ? name : null);
  });
  return targets.includes(null) ? modules.map(fullName) : (targets as string[]);
}
