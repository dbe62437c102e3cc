import { readCheckpoint } from '../checkpoint.ts';
import { configFields } from '../config/configFields.ts';
import { packedConfig } from '../config/packedConfig.ts';
import { tokenizerConfigOf, tokenizerJsonOf } from '../tokenizer/tokenizerFiles.ts';
import { LARGEST_HALF, narrowToHalf } from '../weights/halfFloat.ts';
import type { TensorPart } from '../weights/safetensors.ts';
import { floatsOf, joinSafetensors } from '../weights/safetensors.ts';
import type { StoredTensor } from '../weights/safetensorsHeader.ts';
import type { ModelFiles } from './modelFiles.ts';
import { jsonOf } from './modelFiles.ts';

/**
 * A model as it goes to the tabs: `MODEL_FILE_NAMES`, with the weights that are used and no others, under the names of
 * the ecosystem's classification model, sorted by name, in F16. That is half the bytes of F32 and the model every tab
 * and the server compute with. Of the config files only the fields that are read go along. The result is a Hugging Face directory itself; packing it again gives the same bytes.
 * @throws {ModelError} the directory is none that `readCheckpoint` reads
 */
export function packModel(files: ModelFiles): ModelFiles {
  const { config, weights, classifier } = readCheckpoint(files);
  const parts = weights.specs
    .map(({ name, fullName, shape }) => halfPart(weights.stored(name, shape), fullName))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return new Map([
    ['config.json', bytesOf(packedConfig(configFields(jsonOf(files, 'config.json')), config, classifier))],
    ['model.safetensors', joinSafetensors(parts, { format: 'pt' })],
    ['tokenizer.json', tokenizerJsonOf(files)],
    ['tokenizer_config.json', bytesOf(tokenizerConfigOf(files))],
  ]);
}

function bytesOf(json: Record<string, unknown>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

/** A tensor with a number that F16 cannot hold stays F32; there are such in practice, but few. */
function halfPart(tensor: StoredTensor, name: string): TensorPart {
  const { shape } = tensor;
  if (tensor.dtype === 'F16') return { name, dtype: 'F16', shape, bytes: tensor.bytes };
  const values = floatsOf(tensor);
  if (largest(values) <= LARGEST_HALF) {
    return { name, dtype: 'F16', shape, bytes: narrowToHalf(values) };
  }
  return { name, dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
}

function largest(values: Float32Array): number {
  let found = 0;
  for (let i = 0; i < values.length; i++) found = Math.max(found, Math.abs(values[i]!));
  return found;
}
