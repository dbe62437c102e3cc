import { seededRandom } from './seededRandom.ts';

/** Repeatable float32 values, uniform in ±scale. */
export function randomValues(count: number, seed: number, scale = 1): Float32Array {
  const bytes = new Uint8Array(4 * count);
  const { fill } = seededRandom(seed);
  fill(bytes);
  return Float32Array.from(new Uint32Array(bytes.buffer), (word) => (word / 2 ** 31 - 1) * scale);
}
