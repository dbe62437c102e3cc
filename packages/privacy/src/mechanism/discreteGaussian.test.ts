import { seededRandom } from '@chorale/testing/seededRandom';
import { chiSquareExcess, moments, normalKsStatistic } from '@chorale/testing/statistics';
import { describe, expect, test } from 'vitest';
import { DiscreteGaussian, MAX_DISCRETE_STD_DEV } from './discreteGaussian.ts';

function draws(stdDev: number, count: number, seed: number): Float64Array {
  const gaussian = new DiscreteGaussian(stdDev, seededRandom(seed));
  return Float64Array.from({ length: count }, () => gaussian.next());
}

/** exp(−x²/2σ²) over their sum, for x from −reach to reach. */
function exactChances(stdDev: number, reach: number): number[] {
  const weight = (x: number) => Math.exp((-x * x) / (2 * stdDev * stdDev));
  let sum = 0;
  for (let x = -40 * stdDev; x <= 40 * stdDev; x++) sum += weight(x);
  return Array.from({ length: 2 * reach + 1 }, (_, i) => weight(i - reach) / sum);
}

// 300,000 draws at σ 1: 1 % more or less of any of the five middle values is over 6 standard deviations
describe.each([1, 2, 3, 10])('σ = %s', (stdDev) => {
  const count = 300_000;
  const values = draws(stdDev, count, 100 + stdDev);

  test('every integer has its exact probability (chi-square)', () => {
    const reach = 6 * stdDev;
    const counts = new Float64Array(2 * reach + 1);
    for (const value of values) if (Math.abs(value) <= reach) counts[value + reach]! += 1;
    expect(chiSquareExcess(counts, exactChances(stdDev, reach), count)).toBeLessThan(6);
    expect(values.every(Number.isSafeInteger)).toBe(true);
  });

  test('symmetric, zero included once', () => {
    const positive = values.filter((value) => value > 0).length;
    const negative = values.filter((value) => value < 0).length;
    expect(Math.abs(positive - negative)).toBeLessThan(6 * Math.sqrt(positive + negative));
    const zeros = count - positive - negative;
    const expected = count * exactChances(stdDev, 0)[0]!;
    expect(Math.abs(zeros - expected)).toBeLessThan(6 * Math.sqrt(expected));
  });
});

describe.each([32_768, 49_152, MAX_DISCRETE_STD_DEV])('σ = %s, the size of real noise', (stdDev) => {
  const count = 100_000;
  const values = draws(stdDev, count, 7);

  test('moments', () => {
    const seen = moments(values);
    expect(Math.abs(seen.mean)).toBeLessThan((6 * stdDev) / Math.sqrt(count));
    expect(Math.abs(seen.stdDev / stdDev - 1)).toBeLessThan(6 / Math.sqrt(2 * count)); // 1.3 %
    const fourth = moments(values.map((value) => (value / stdDev) ** 4)).mean;
    expect(Math.abs(fourth - 3)).toBeLessThan(6 * Math.sqrt(96 / count)); // Var(z⁴) = 105 − 9
  });

  test('normal shape (Kolmogorov-Smirnov)', () => {
    expect(normalKsStatistic(values, stdDev)).toBeLessThan(3); // P ≈ 2·exp(−18) = 3e-8
  });

  test('neighbouring draws are uncorrelated, also their squares', () => {
    let product = 0;
    let squares = 0;
    for (let i = 0; i + 1 < count; i++) {
      const [a, b] = [values[i]! / stdDev, values[i + 1]! / stdDev];
      product += a * b;
      squares += (a * a - 1) * (b * b - 1);
    }
    expect(Math.abs(product / Math.sqrt(count))).toBeLessThan(6);
    expect(Math.abs(squares / (2 * Math.sqrt(count)))).toBeLessThan(6);
  });
});

test.each([0, -1, 1.5, Number.NaN, Infinity, MAX_DISCRETE_STD_DEV + 1])('σ = %s is refused', (stdDev) => {
  expect(() => new DiscreteGaussian(stdDev, seededRandom(1))).toThrow(RangeError);
});
