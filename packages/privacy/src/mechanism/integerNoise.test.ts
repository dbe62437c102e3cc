import { seededRandom } from '@chorale/testing/seededRandom';
import { chiSquareExcess, moments, normalCdf, normalKsStatistic } from '@chorale/testing/statistics';
import { describe, expect, test } from 'vitest';
import { integerNoise, noiseSource } from './integerNoise.ts';
import type { NoiseKind } from './plan.ts';
import type { RandomSource } from './random.ts';
import { webCryptoRandom } from './random.ts';

/** A source that gives these integers below 2^53, in the order of draws; what a block has beyond them is zeros. */
function bits53(...integers: number[]): RandomSource {
  return {
    fill(bytes) {
      const view = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).fill(0);
      integers.forEach((integer, i) => {
        view[2 * i] = Math.floor(integer / 2 ** 26) << 5;
        view[2 * i + 1] = (integer % 2 ** 26) << 6;
      });
    },
  };
}

const COUNT = 147_456;
const KINDS: NoiseKind[] = ['rounded-gaussian', 'discrete-gaussian'];

describe.each(
  KINDS.flatMap((kind): [NoiseKind, string, number, RandomSource][] => [
    [kind, 'seeded bytes', 32_768, seededRandom(21)],
    [kind, 'seeded bytes', 9830, seededRandom(22)],
    [kind, 'Web Crypto', 65_536, webCryptoRandom],
  ]),
)('%s from %s, stdDev %s', (kind, _, stdDev, random) => {
  const values = new Float64Array(COUNT);
  integerNoise(kind, random).addNoise(values, stdDev);

  test('integers of mean 0 and the right standard deviation', () => {
    expect(values.every(Number.isSafeInteger)).toBe(true);
    const seen = moments(values);
    expect(Math.abs(seen.mean)).toBeLessThan((7 * stdDev) / Math.sqrt(COUNT));
    expect(Math.abs(seen.stdDev / stdDev - 1)).toBeLessThan(0.02); // 11 standard errors
  });

  test('normal shape (Kolmogorov-Smirnov)', () => {
    expect(normalKsStatistic(values, stdDev)).toBeLessThan(3); // P ≈ 2·exp(−2·9) = 3e-8
  });

  test('tails beyond 3 standard deviations', () => {
    const far = values.filter((value) => Math.abs(value) > 3 * stdDev).length;
    expect(far).toBeGreaterThan(300); // 398 expected, s.d. 20
    expect(far).toBeLessThan(500);
  });

  test('odd and even integers come alike', () => {
    const odd = values.filter((value) => value % 2 !== 0).length;
    expect(Math.abs(odd - COUNT / 2)).toBeLessThan(5 * Math.sqrt(COUNT / 4));
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

test('rounded-gaussian: an integer k has the normal mass from k − 1/2 to k + 1/2', () => {
  const stdDev = 1.3;
  const values = new Float64Array(200_000);
  integerNoise('rounded-gaussian', seededRandom(5)).addNoise(values, stdDev);
  const integers = Array.from({ length: 13 }, (_, i) => i - 6);
  const counts = integers.map((k) => values.filter((value) => value === k).length);
  const chances = integers.map((k) => normalCdf((k + 0.5) / stdDev) - normalCdf((k - 0.5) / stdDev));
  expect(chiSquareExcess(counts, chances, values.length)).toBeLessThan(6);
});

describe('rounded-gaussian: the far tail has no holes', () => {
  /** Where a pair of draws lands whose radius comes of these 2·53 bits, at an angle of 45 degrees. */
  function pairAt(stdDev: number, high: number, low: number): { values: Float64Array; radius: number } {
    const values = new Float64Array(2);
    integerNoise('rounded-gaussian', bits53(high, low, 2 ** 50)).addNoise(values, stdDev);
    return { values, radius: Math.hypot(...values) };
  }

  test('beyond the 8.57 standard deviations of 53 bits, up to 12.1', () => {
    expect(pairAt(65_536, 0, 2 ** 52).radius / 65_536).toBeCloseTo(Math.sqrt(2 * 54 * Math.LN2), 4);
    expect(pairAt(65_536, 0, 1).radius / 65_536).toBeCloseTo(Math.sqrt(2 * 106 * Math.LN2), 4);
  });

  test('neighbouring radii are less than a unit apart, and all radii between come out', () => {
    // Of 53 bits, 1 and 2 would be 5,300 units apart
    for (const high of [0, 1, 2, 7]) {
      for (const low of [2 ** 14, 2 ** 30, 2 ** 52]) {
        const [one, next] = [low, low + 1].map((each) => pairAt(65_536, high, each).values[0]!);
        expect(Math.abs(one! - next!)).toBeLessThanOrEqual(1);
      }
      const seen = Array.from({ length: 63 }, (_, i) => pairAt(65_536, high, (i + 1) * 2 ** 47).values[0]!);
      expect(new Set(seen).size).toBe(63);
    }
    // 1 and just over 1, just under 2 and 2
    expect(pairAt(65_536, 1, 1).radius - pairAt(65_536, 0, 2 ** 53 - 1).radius).toBeCloseTo(0, 0);
    expect(pairAt(65_536, 2, 1).radius - pairAt(65_536, 1, 2 ** 53 - 1).radius).toBeCloseTo(0, 0);
  });
});

test('discrete-gaussian: the standard deviation is rounded up, never down', () => {
  const noise = (stdDev: number) => {
    const values = new Float64Array(100);
    integerNoise('discrete-gaussian', seededRandom(6)).addNoise(values, stdDev);
    return values;
  };
  expect(noise(3.01)).toEqual(noise(4));
  expect(noise(4)).not.toEqual(noise(5));
});

describe.each(KINDS)('%s', (kind) => {
  test('noise is added to what is there, in every element of odd and even lengths', () => {
    for (const length of [1, 2, 3, 7, 20_001]) {
      const values = new Float64Array(length).fill(1e12);
      integerNoise(kind, seededRandom(length)).addNoise(values, 1e6);
      expect(values.every((value) => Math.abs(value - 1e12) < 9e6)).toBe(true);
      expect(values.filter((value) => value === 1e12).length).toBeLessThan(2);
    }
    const none = new Float64Array();
    noiseSource(kind).addNoise(none, 1);
    expect(none).toHaveLength(0);
  });

  test('a negative zero does not come out as one: it would tell what was there', () => {
    const values = new Float64Array(1000).fill(-0);
    integerNoise(kind, seededRandom(8)).addNoise(values, 1);
    const zeros = [...values].filter((value) => value === 0);
    expect(zeros.length).toBeGreaterThan(300);
    expect(zeros.filter((value) => Object.is(value, -0))).toEqual([]);
  });

  test('two calls give different noise', () => {
    const noise = noiseSource(kind);
    const [first, second] = [new Float64Array(10), new Float64Array(10)];
    noise.addNoise(first, 1000);
    noise.addNoise(second, 1000);
    expect(first).not.toEqual(second);
  });

  test.each([0, -1, Number.NaN, Infinity, 2 ** 45])('stdDev %s is refused', (stdDev) => {
    expect(() => noiseSource(kind).addNoise(new Float64Array(2), stdDev)).toThrow(RangeError);
  });
});
