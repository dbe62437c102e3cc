import { seededRandom } from './seededRandom.ts';

/** Repeatable float32 values, uniform in ±scale. */
export function randomValues(count: number, seed: number, scale = 1): Float32Array {
  const words = new Uint32Array(count);
  seededRandom(seed).fill(new Uint8Array(words.buffer));
  return Float32Array.from(words, (word) => (word / 2 ** 31 - 1) * scale);
}
