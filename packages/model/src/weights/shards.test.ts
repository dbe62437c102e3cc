import { expect, test } from 'vitest';
import { readCheckpoint } from '../checkpoint.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { ModelError } from '../modelError.ts';
import { tinyModel } from '../testing/tinyModel.ts';
import type { NamedTensor } from './safetensors.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { INDEX_FILE, WEIGHTS_FILE, readStoredTensors } from './shards.ts';

const FIRST = 'model-00001-of-00002.safetensors';
const SECOND = 'model-00002-of-00002.safetensors';

type Sharded = { map: Record<string, unknown>; shards: Record<string, Map<string, NamedTensor>> };

/** The tiny model in two shards, changed before it is written. */
function sharded(change: (sharded: Sharded) => void = () => {}): ModelFiles {
  const files = tinyModel();
  const tensors = [...readSafetensors(files.get(WEIGHTS_FILE)!)];
  files.delete(WEIGHTS_FILE);
  const half = Math.floor(tensors.length / 2);
  const shards = { [FIRST]: new Map(tensors.slice(0, half)), [SECOND]: new Map(tensors.slice(half)) };
  const map = Object.fromEntries(tensors.map(([name], i) => [name, i < half ? FIRST : SECOND]));
  const result: Sharded = { map, shards };
  change(result);
  for (const [name, shard] of Object.entries(result.shards)) files.set(name, writeSafetensors(shard, {}));
  const index = { metadata: { total_size: 1 }, weight_map: result.map };
  return files.set(INDEX_FILE, new TextEncoder().encode(JSON.stringify(index)));
}

test('two shards are the model of one file', () => {
  const whole = readCheckpoint(tinyModel()).weights;
  const { weights } = readCheckpoint(sharded());
  expect(weights.specs).toEqual(whole.specs);
  const values = (from: typeof whole) =>
    from.specs.map(({ name, shape }) => [name, from.floats(name, shape)]);
  expect(values(weights)).toEqual(values(whole));
});

test('a single file goes before an index', () => {
  const both: ModelFiles = new Map([...sharded(), ...tinyModel()]).set(FIRST, new Uint8Array());
  expect(readStoredTensors(both).size).toBe(readStoredTensors(tinyModel()).size);
});

const WORDS = 'bert.embeddings.word_embeddings.weight';
const moved = ({ shards }: Sharded) => {
  shards[SECOND]!.set(WORDS, shards[FIRST]!.get(WORDS)!);
  shards[FIRST]!.delete(WORDS);
};

test.each<[string, RegExp, (sharded: Sharded) => void]>([
  [
    'a shard that is missing',
    /has no model-00002-of-00002\.safetensors/,
    ({ shards }) => delete shards[SECOND],
  ],
  [
    'a tensor in another shard than the index says',
    /word_embeddings\.weight is in model-00002.*, the index says model-00001/,
    moved,
  ],
  [
    'a tensor in two shards',
    /word_embeddings\.weight is in model-00001.* and in model-00002/,
    ({ shards }) => shards[SECOND]!.set(WORDS, shards[FIRST]!.get(WORDS)!),
  ],
  [
    'a tensor the index does not know',
    /tensor extra is in model-00001.*, the index says nothing of it/,
    ({ shards }) => shards[FIRST]!.set('extra', { shape: [1], values: Float32Array.of(1) }),
  ],
  [
    'a tensor in no shard',
    /^model-00001.*: tensor extra is missing, which the index promises/,
    ({ map }) => (map.extra = FIRST),
  ],
  [
    'a shard outside the directory',
    /is said to be in "\.\.\/x\.safetensors"/,
    ({ map }) => (map[WORDS] = '../x.safetensors'),
  ],
  ['a shard that is no name', /is said to be in 3/, ({ map }) => (map[WORDS] = 3)],
  ['a shard of another kind', /is said to be in "config\.json"/, ({ map }) => (map[WORDS] = 'config.json')],
  ['an empty index', /weight_map names no tensor/, (all) => (all.map = {})],
])('%s is refused by name', (_, message, change) => {
  expect(() => readStoredTensors(sharded(change))).toThrow(ModelError);
  expect(() => readStoredTensors(sharded(change))).toThrow(message);
});

test.each(['null', '[]', '{"weight_map": []}', '{"weight_map": null}', '{}'])(
  'the index %s is refused',
  (json) => {
    const files = sharded().set(INDEX_FILE, new TextEncoder().encode(json));
    expect(() => readStoredTensors(files)).toThrow(/index\.json: expected an object weight_map/);
  },
);

test('an index with a tensor twice is refused: readers differ in which shard they take', () => {
  const text = `{"weight_map": {"${WORDS}": "${FIRST}", "${WORDS}": "${SECOND}"}}`;
  const files = sharded().set(INDEX_FILE, new TextEncoder().encode(text));
  expect(() => readStoredTensors(files)).toThrow(/stands twice/);
});
