import { expect, test } from 'vitest';
import { BasisStream } from './basisStream.ts';

const words = (seed: number, purpose: string, count: number) => {
  const stream = new BasisStream(seed, purpose);
  return Array.from({ length: count }, () => stream.uniform() * 2 ** 32);
};

/**
 * Keystream words of ChaCha20 with the key and nonce of the class comment, by an independent implementation (Python,
 * from RFC 8439; the first of them also by `openssl enc -chacha20`). Words 1024 and 1025 stand in the second chunk.
 */
test.each<[number, string, number[], number[]]>([
  [1, 'kaiming', [0x41b17488, 0x03b6fd56, 0x52c80e60, 0x0a18d9be], [0x7891a41e, 0x7456a24d]],
  [1, 'orthonormal', [0xd0c5d9ac, 0xe8338819, 0xa6f06525, 0x313d2aba], [0x66e7759e, 0x3e50c1fc]],
  [1, 'head', [0xbe8c1c5a, 0x4db1eb18, 0x2e9fe025, 0xad2ebfcf], [0x3f28c55b, 0xf0ed91a8]],
  [0xffffffff, 'head', [0x8ea5721b, 0x7962c702, 0x0e97e863, 0xe1bbcd0f], [0x6a03862c, 0x725824cb]],
])('the stream of seed %i for %s is ChaCha20', (seed, purpose, first, later) => {
  const found = words(seed, purpose, 1026);
  expect(found.slice(0, 4)).toEqual(first);
  expect(found.slice(1024)).toEqual(later);
});

test('bell values have mean 0 and variance 1', () => {
  const stream = new BasisStream(7, 'test');
  const values = Array.from({ length: 20_000 }, () => stream.bell());
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(values.length));
  expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / values.length));
});
