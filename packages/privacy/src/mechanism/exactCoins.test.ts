import { seededRandom } from '@chorale/testing/seededRandom';
import { chiSquareExcess } from '@chorale/testing/statistics';
import { describe, expect, test } from 'vitest';
import { ExactCoins } from './exactCoins.ts';
import type { RandomSource } from './random.ts';

const DRAWS = 200_000;

/** A source whose 32-bit words are those of a list, then zeros. */
function words(...list: number[]): RandomSource {
  let next = 0;
  return {
    fill(bytes) {
      const view = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      for (let i = 0; i < view.length; i++) view[i] = list[next++] ?? 0;
    },
  };
}

describe('below', () => {
  test.each([2, 3, 7, 100])('%s is uniform', (limit) => {
    const coins = new ExactCoins(seededRandom(limit));
    const counts = new Float64Array(limit);
    for (let i = 0; i < DRAWS; i++) counts[coins.below(limit)]! += 1;
    const excess = chiSquareExcess(counts, new Float64Array(limit).fill(1 / limit), DRAWS);
    expect(excess).toBeLessThan(8);
  });

  test('1 leaves no choice', () => {
    const coins = new ExactCoins(seededRandom(1));
    expect([coins.below(1), coins.below(1)]).toEqual([0, 0]);
  });

  // Reduced modulo 3·2^30, a plain 32-bit word would give the lowest third twice as often as the others
  test.each([3 * 2 ** 30, 3 * 2 ** 51])('%s is uniform over its thirds', (limit) => {
    const coins = new ExactCoins(seededRandom(4));
    const counts = [0, 0, 0];
    for (let i = 0; i < DRAWS; i++) counts[Math.floor((3 * coins.below(limit)) / limit)]! += 1;
    expect(chiSquareExcess(counts, [1 / 3, 1 / 3, 1 / 3], DRAWS)).toBeLessThan(8);
  });

  test('its bits are those of the words, the upper word cut to 21', () => {
    expect(new ExactCoins(words(0xffffffff)).below(2 ** 32)).toBe(2 ** 32 - 1);
    expect(new ExactCoins(words(0xffffffff, 0xffffffff)).below(2 ** 53)).toBe(2 ** 53 - 1);
    expect(new ExactCoins(words(1 << 11, 5)).below(2 ** 33)).toBe(2 ** 32 + 5);
    // 2^32 − 1 is over the largest multiple of 10, 2^32 − 6, and is drawn again
    expect(new ExactCoins(words(0xffffffff, 0xfffffffa, 17)).below(10)).toBe(7);
    expect(new ExactCoins(words(0xfffffff9)).below(10)).toBe(9);
  });
});

test('flip is fair', () => {
  const coins = new ExactCoins(seededRandom(9));
  let heads = 0;
  for (let i = 0; i < DRAWS; i++) heads += coins.flip() ? 1 : 0;
  expect(Math.abs(heads - DRAWS / 2)).toBeLessThan(5 * Math.sqrt(DRAWS / 4));
});

test.each([
  [0, 1],
  [1, 1],
  [1, 2],
  [1, 1000],
  [999, 1000],
  [3 * 2 ** 50, 2 ** 52],
])('expMinus(%s, %s) is true with probability exp(−n/d)', (numerator, denominator) => {
  const coins = new ExactCoins(seededRandom(denominator % 1009));
  let heads = 0;
  for (let i = 0; i < DRAWS; i++) heads += coins.expMinus(numerator, denominator) ? 1 : 0;
  const chance = Math.exp(-numerator / denominator);
  expect(Math.abs(heads - DRAWS * chance)).toBeLessThanOrEqual(5 * Math.sqrt(DRAWS * chance * (1 - chance)));
});
