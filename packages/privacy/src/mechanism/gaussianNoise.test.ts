import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test } from 'vitest';
import { webCryptoNoise } from './gaussianNoise.ts';
import type { RandomSource } from './random.ts';
import { webCryptoRandom } from './random.ts';

const COUNT = 147_456;

/** Normal distribution function; Abramowitz and Stegun 7.1.26, absolute error under 1.5e-7. */
function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = (series * Math.exp(-z * z)) / 2;
  return x > 0 ? 1 - tail : tail;
}

function moments(values: Float64Array): { mean: number; stdDev: number } {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { mean, stdDev: Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length) };
}

describe.each([
  ['seeded bytes', 0.1, seededRandom(21)],
  ['seeded bytes', 3, seededRandom(22)],
  ['Web Crypto', 0.1, webCryptoRandom],
  ['Web Crypto', 3, webCryptoRandom],
] satisfies [string, number, RandomSource][])('%s, stdDev %s', (_, stdDev, random) => {
  const values = new Float64Array(COUNT);
  webCryptoNoise(random).addGaussian(values, stdDev);

  test('mean 0 and the right standard deviation', () => {
    const seen = moments(values);
    expect(Math.abs(seen.mean)).toBeLessThan((7 * stdDev) / Math.sqrt(COUNT));
    expect(Math.abs(seen.stdDev / stdDev - 1)).toBeLessThan(0.02); // 11 standard errors
  });

  test('normal shape (Kolmogorov-Smirnov)', () => {
    const sorted = values.toSorted();
    let distance = 0;
    sorted.forEach((value, i) => {
      const expected = normalCdf(value / stdDev);
      distance = Math.max(distance, expected - i / COUNT, (i + 1) / COUNT - expected);
    });
    expect(distance * Math.sqrt(COUNT)).toBeLessThan(3); // P ≈ 2·exp(−2·9) = 3e-8
  });

  test('tails beyond 3 standard deviations', () => {
    const far = values.filter((value) => Math.abs(value) > 3 * stdDev).length;
    expect(far).toBeGreaterThan(300); // 398 expected, s.d. 20
    expect(far).toBeLessThan(500);
  });

  test('neighbouring draws are uncorrelated, also their squares', () => {
    let product = 0;
    let squares = 0;
    for (let i = 0; i + 1 < COUNT; i++) {
      const a = values[i]! / stdDev;
      const b = values[i + 1]! / stdDev;
      product += a * b;
      squares += (a * a - 1) * (b * b - 1);
    }
    expect(Math.abs(product / Math.sqrt(COUNT))).toBeLessThan(7); // each term has variance 1
    expect(Math.abs(squares / (2 * Math.sqrt(COUNT)))).toBeLessThan(7); // each term has variance 4
  });
});

test('noise is added to what is there, in every element of odd and even lengths', () => {
  for (const length of [1, 2, 3, 7, 20_001]) {
    const values = new Float64Array(length).fill(1000);
    webCryptoNoise(seededRandom(length)).addGaussian(values, 1e-3);
    expect(values.every((value) => value !== 1000 && Math.abs(value - 1000) < 0.009)).toBe(true);
  }
  const none = new Float64Array();
  webCryptoNoise().addGaussian(none, 1);
  expect(none).toHaveLength(0);
});

test('two calls give different noise', () => {
  const noise = webCryptoNoise();
  const [first, second] = [new Float64Array(10), new Float64Array(10)];
  noise.addGaussian(first, 1);
  noise.addGaussian(second, 1);
  expect(first).not.toEqual(second);
});

test.each([0, -1, Number.NaN, Infinity])('stdDev %s is refused', (stdDev) => {
  expect(() => webCryptoNoise().addGaussian(new Float64Array(2), stdDev)).toThrow(RangeError);
});
