import { expect, test } from 'vitest';
import { RandomStream } from './randomStream.ts';

/*
 * Expected bytes: SHA-256 of the key text and the ChaCha20 block function of RFC 8439, section 2.3, written out in Python
 * and checked against the RFC's own keystream of a zero key.
 */
const VECTORS: [seed: number, purpose: string, first16: string, from120to136: string][] = [
  [1, 'split', '4b320cc4bb24c076d3876e9128c9361f', '5459f68d04a28363808d7d21be903026'],
  [
    4294967295,
    'noise of client 3 in round 2',
    '6a83ca9b664e80e0b71dcecccf6ae455',
    'eabeda4efb00bff540d2793386836e9e',
  ],
];

test.each(VECTORS)('seed %s, %s: the bytes of the specified stream', (seed, purpose, first, later) => {
  expect(hex(filled(new RandomStream(seed, purpose), 16))).toBe(first);
  expect(hex(filled(new RandomStream(seed, purpose), 136).subarray(120))).toBe(later);
});

test('however it is asked for, the stream goes on where it was', () => {
  const whole = filled(new RandomStream(1, 'split'), 200);
  const stream = new RandomStream(1, 'split');
  const pieces = [1, 0, 62, 3, 134].map((length) => filled(stream, length));
  expect(pieces.flatMap((piece) => [...piece])).toEqual([...whole]);
});

test('fill overwrites what was there', () => {
  const bytes = refilled(new Uint8Array(16).fill(255), new RandomStream(1, 'split'));
  expect(hex(bytes)).toBe(VECTORS[0]![2]);
});

test('uniform and below read little-endian words', () => {
  const stream = new RandomStream(1, 'split');
  expect([stream.uniform(), stream.uniform()]).toEqual([0.76581110327129, 0.5680928125795744]);
  const digits = new RandomStream(5, 'x');
  expect(Array.from({ length: 8 }, () => digits.below(10))).toEqual([5, 2, 8, 8, 9, 7, 7, 7]);
});

test('below draws again what would favour small integers', () => {
  // Of 2^32 words a third too many: without drawing again the lower half would come up in two thirds of all draws
  const bound = 3 * 2 ** 30;
  const stream = new RandomStream(1, 'bias');
  const low = Array.from({ length: 6000 }, () => stream.below(bound)).filter(
    (value) => value < bound / 3,
  ).length;
  expect(Math.abs(low - 2000)).toBeLessThan(5 * Math.sqrt((6000 * 2) / 9));
});

test('shuffled: a permutation, all orders equally likely', () => {
  const stream = new RandomStream(2, 'orders');
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = stream.shuffled(['a', 'b', 'c']).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  // Standard deviation of a count: sqrt(6000·1/6·5/6) = 29
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * 29);
});

function filled(stream: RandomStream, length: number): Uint8Array {
  return refilled(new Uint8Array(length), stream);
}

function refilled(bytes: Uint8Array, stream: RandomStream): Uint8Array {
  stream.fill(bytes);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
