import type { ModelFiles } from '../files/modelFiles.ts';
import { fileOf, jsonOf } from '../files/modelFiles.ts';
import { ModelError } from '../modelError.ts';
import { shortened, shortenedName } from '../shortened.ts';
import type { StoredTensor } from './safetensorsHeader.ts';
import { readLayout } from './safetensorsHeader.ts';

export const WEIGHTS_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/**
 * All tensors of a model by their names in the files, from one file or from the shards its index names. No number is
 * read. With both there, the single file counts, as in the transformers library.
 * @throws {ModelError} a file that is missing or malformed, a tensor in another shard than the index says, in none or in
 *   two
 */
export function readStoredTensors(files: ModelFiles): Map<string, StoredTensor> {
  if (files.has(WEIGHTS_FILE) || !files.has(INDEX_FILE)) {
    return byName(readLayout(fileOf(files, WEIGHTS_FILE), WEIGHTS_FILE));
  }
  const shardOf = readWeightMap(files);
  const tensors = new Map<string, StoredTensor>();
  for (const shard of new Set(shardOf.values())) {
    for (const tensor of readLayout(fileOf(files, shard), shard)) {
      const before = tensors.get(tensor.name);
      if (before)
        throw new ModelError(
          `tensor ${shortenedName(tensor.name)} is in ${shortened(before.fileName)} and in ${shortened(shard)}`,
        );
      const expected = shardOf.get(tensor.name);
      if (expected !== shard) {
        throw new ModelError(
          `${INDEX_FILE}: tensor ${shortenedName(tensor.name)} is in ${shortened(shard)}, the index says ${shortened(expected ?? 'nothing of it')}`,
        );
      }
      tensors.set(tensor.name, tensor);
    }
  }
  for (const [name, shard] of shardOf) {
    if (!tensors.has(name))
      throw new ModelError(
        `${shortened(shard)}: tensor ${shortenedName(name)} is missing, which the index promises`,
      );
  }
  return tensors;
}

function byName(tensors: StoredTensor[]): Map<string, StoredTensor> {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

/** @returns tensor name → file name */
function readWeightMap(files: ModelFiles): Map<string, string> {
  const index = jsonOf(files, INDEX_FILE);
  const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : null;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new ModelError(`${INDEX_FILE}: expected an object weight_map`);
  }
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map as Record<string, unknown>)) {
    // A name with a path in it must not lead out of the directory
    if (typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard)) {
      throw new ModelError(
        `${INDEX_FILE}: tensor ${shortenedName(name)} is said to be in ${shortened(JSON.stringify(shard))}, expected the name of a .safetensors file`,
      );
    }
    shardOf.set(name, shard);
  }
  if (shardOf.size === 0) throw new ModelError(`${INDEX_FILE}: weight_map names no tensor`);
  return shardOf;
}
