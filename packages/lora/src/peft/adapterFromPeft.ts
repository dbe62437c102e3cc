import type { EncoderConfig, LayerModule } from '@chorale/model';
import { LAYER_MODULES, checkpointModuleName } from '@chorale/model';
import type { AdaptedModule, AdapterConfig, AdapterLayout } from '../adapterLayout.ts';
import type { Basis } from '../basis.ts';
import type { HeadValues } from '../parameters.ts';
import { targetsOfModules } from '../targetModules.ts';
import type { PeftAdapter, PeftModule } from './readPeft.ts';

/**
 * A config under which every adapter from PEFT's files can be computed and trained on, whoever made it: strategy `lora`,
 * where A, B and head all stand in the parameters. For what an adapter exported here was trained with see its
 * `config.chorale`.
 * @throws {RangeError} it adapts a module that this encoder does not have
 */
export function configOfPeft(encoder: EncoderConfig, { config, modules, head }: PeftAdapter): AdapterConfig {
  const known = new Map<string, LayerModule>();
  for (let layer = 0; layer < encoder.layerCount; layer++) {
    for (const module of LAYER_MODULES) known.set(checkpointModuleName(encoder, layer, module), module);
  }
  const adapted = modules.map(({ name }) => {
    const module = known.get(name);
    if (module) return module;
    throw new RangeError(`the adapter has a module ${name}, which this encoder has not`);
  });
  return {
    strategy: 'lora',
    rank: config.rank,
    alpha: config.alpha,
    targetModules: targetsOfModules(adapted),
    basis: 'kaiming',
    head: head === null ? 'frozen' : 'trained',
    seed: 0,
  };
}

/**
 * The flat parameters of an adapter from PEFT's files, for a layout of its rank, alpha and modules.
 * @param fixed what the layout does not train, and the adapter must therefore have: A of `ffa-lora`, a frozen head
 * @returns [parameterCount]
 * @throws {RangeError} a module is missing, there is one more, or sizes, alpha or what is fixed differ; the message names it
 */
export function parametersFromPeft(
  encoder: EncoderConfig,
  layout: AdapterLayout,
  fixed: { basis: Basis; initialHead: HeadValues },
  adapter: PeftAdapter,
): Float32Array {
  const { rank, alpha } = adapter.config;
  if (rank !== layout.rank || alpha / rank !== layout.scaling) {
    throw new RangeError(
      `expected rank ${layout.rank} and alpha ${layout.scaling * layout.rank}, got ${rank} and ${alpha}`,
    );
  }
  const byName = new Map(adapter.modules.map((module) => [module.name, module]));
  const parameters = new Float32Array(layout.parameterCount);
  layout.modules.forEach((module, i) => {
    const name = checkpointModuleName(encoder, module.layer, module.module);
    const { a, b } = takeModule(byName, name, module);
    parameters.set(b, module.offset);
    if (module.aOffset !== null) parameters.set(a, module.aOffset);
    else
      requireEqual(a, fixed.basis[i]!, `A of ${name}, which the strategy ${layout.strategy} does not train`);
  });
  for (const name of byName.keys()) throw new RangeError(`the adapter has one module more, ${name}`);
  const { trained, rows, columns, offset, biasOffset } = layout.head;
  const { head } = adapter;
  if (head === null) {
    if (trained) throw new RangeError('the adapter has no classifier, and the layout trains one');
    return parameters;
  }
  if (head.bias.length !== columns || head.weight.length !== rows * columns) {
    throw new RangeError(
      `expected a classifier of ${rows} times ${columns} weights, got ${head.weight.length} and ${head.bias.length} biases`,
    );
  }
  if (trained) {
    parameters.set(head.weight, offset);
    parameters.set(head.bias, biasOffset);
  } else {
    requireEqual(head.weight, fixed.initialHead.weight, 'the weight of the frozen classifier');
    requireEqual(head.bias, fixed.initialHead.bias, 'the bias of the frozen classifier');
  }
  return parameters;
}

function takeModule(
  modules: Map<string, PeftModule>,
  name: string,
  { inDim, outDim }: AdaptedModule,
): PeftModule {
  const module = modules.get(name);
  if (!module) throw new RangeError(`the adapter has no module ${name}`);
  if (module.inDim !== inDim || module.outDim !== outDim) {
    throw new RangeError(
      `${name} maps ${module.inDim} to ${module.outDim} values, expected ${inDim} to ${outDim}`,
    );
  }
  modules.delete(name);
  return module;
}

function requireEqual(actual: Float32Array, expected: Float32Array, what: string): void {
  const at = actual.findIndex((value, i) => value !== expected[i]);
  if (at < 0 && actual.length === expected.length) return;
  throw new RangeError(`another value at ${at} of ${what}: expected ${expected[at]}, got ${actual[at]}`);
}
