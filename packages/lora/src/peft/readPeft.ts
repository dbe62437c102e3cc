import type { NamedTensor } from '@chorale/model';
import { ModelError, readSafetensors } from '@chorale/model';
import type { HeadValues } from '../parameters.ts';
import type { PeftConfig } from './peftConfig.ts';
import { readPeftConfig } from './peftConfig.ts';
import { PEFT_PREFIX } from './peftNames.ts';
import { transposed } from './transposed.ts';

const FILE = 'adapter_model.safetensors';

/** One adapted module, in our orientation: y += alpha/rank · (x a) b. */
export type PeftModule = {
  /** As the checkpoint has it: `bert.encoder.layer.0.attention.self.query`. */
  name: string;
  inDim: number;
  outDim: number;
  /** [inDim, rank] */
  a: Float32Array;
  /** [rank, outDim] */
  b: Float32Array;
};

/** An adapter read from PEFT's files. */
export type PeftAdapter = {
  config: PeftConfig;
  /** In the order of the file. */
  modules: PeftModule[];
  /** The classifier, weight [hiddenSize, classCount]; null when the file has none. */
  head: HeadValues | null;
  /** A dense module before the classifier, weight [inDim, outDim]; null when the file has none. */
  pooler: HeadValues | null;
};

/** Names of a classification model's last module, of which a file may have one. */
const CLASSIFIERS = ['classifier', 'classifier.out_proj'];
const POOLERS = ['classifier.dense', 'pre_classifier', 'bert.pooler.dense'];

/**
 * Reads an adapter in PEFT's layout, of ours bit by bit what was written.
 * @param files `adapter_config.json` and `adapter_model.safetensors`
 * @throws {ModelError} a file is missing or broken; another method than plain LoRA; a tensor that is none of an adapter's,
 *   is missing, has another shape or is not finite, by name
 */
export function readPeft(files: ReadonlyMap<string, Uint8Array>): PeftAdapter {
  const config = readPeftConfig(fileOf(files, 'adapter_config.json'));
  const tensors = readSafetensors(fileOf(files, FILE), FILE);
  const modules: PeftModule[] = [];
  const others = new Map<string, NamedTensor>();
  for (const [fullName, tensor] of tensors) {
    const name = fullName.startsWith(PEFT_PREFIX) ? fullName.slice(PEFT_PREFIX.length) : null;
    if (name === null) throw problem(fullName, `expected a name that starts with ${PEFT_PREFIX}`);
    const [, module, factor] = /^(.+)\.lora_([AB])\.weight$/.exec(name) ?? [];
    if (module === undefined) others.set(name, tensor);
    else if (factor === 'A') modules.push(moduleOf(module, tensors, config));
    else if (!tensors.has(`${PEFT_PREFIX}${module}.lora_A.weight`)) {
      throw problem(fullName, 'its lora_A.weight is missing');
    }
  }
  if (modules.length === 0) throw new ModelError(`${FILE}: there is no lora_A.weight in it`);
  const head = takeDense(others, CLASSIFIERS);
  const pooler = takeDense(others, POOLERS);
  for (const name of others.keys()) {
    throw problem(PEFT_PREFIX + name, 'neither lora_A.weight, lora_B.weight nor a classifier');
  }
  return { config, modules, head, pooler };
}

function moduleOf(
  name: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  { rank, targetModules }: PeftConfig,
): PeftModule {
  const [nameA, nameB] = ['lora_A', 'lora_B'].map((factor) => `${PEFT_PREFIX}${name}.${factor}.weight`);
  const [a, b] = [tensors.get(nameA!)!, tensors.get(nameB!)];
  if (!b) throw problem(nameA!, 'its lora_B.weight is missing');
  const [ranks, inDim] = a.shape;
  if (a.shape.length !== 2 || ranks !== rank) throw shapeProblem(nameA!, a, `[${rank}, inDim]`);
  const [outDim, ranksOfB] = b.shape;
  if (b.shape.length !== 2 || ranksOfB !== rank) throw shapeProblem(nameB!, b, `[outDim, ${rank}]`);
  if (targetModules && !targetModules.some((end) => name === end || name.endsWith(`.${end}`))) {
    throw problem(nameA!, `target_modules of adapter_config.json has no ${name}`);
  }
  return {
    name,
    inDim: inDim!,
    outDim: outDim!,
    a: transposed(a.values, rank, inDim!),
    b: transposed(b.values, outDim!, rank),
  };
}

/** Takes the dense module of one of these names, weight and bias, out of the tensors; null when none is there. */
function takeDense(tensors: Map<string, NamedTensor>, names: readonly string[]): HeadValues | null {
  const name = names.find((candidate) => tensors.has(`${candidate}.weight`));
  if (name === undefined) return null;
  const [weight, bias] = [tensors.get(`${name}.weight`)!, tensors.get(`${name}.bias`)];
  const fullName = `${PEFT_PREFIX}${name}`;
  if (weight.shape.length !== 2) throw shapeProblem(`${fullName}.weight`, weight, '[outDim, inDim]');
  const [outDim, inDim] = weight.shape as [number, number];
  if (!bias) throw problem(`${fullName}.weight`, 'its bias is missing');
  if (bias.shape.length !== 1 || bias.shape[0] !== outDim) {
    throw shapeProblem(`${fullName}.bias`, bias, `[${outDim}]`);
  }
  tensors.delete(`${name}.weight`);
  tensors.delete(`${name}.bias`);
  return { weight: transposed(weight.values, outDim, inDim), bias: bias.values };
}

function problem(tensor: string, what: string): ModelError {
  return new ModelError(`${FILE}: tensor ${tensor}: ${what}`);
}

function shapeProblem(tensor: string, { shape }: NamedTensor, expected: string): ModelError {
  return problem(tensor, `has shape [${shape.join(', ')}], expected ${expected}`);
}

function fileOf(files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes) return bytes;
  throw new ModelError(`the adapter has no ${name}; it has ${[...files.keys()].join(', ') || 'no files'}`);
}
