import { seededRandom } from '@chorale/testing/seededRandom';
import { moments } from '@chorale/testing/statistics';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { examplePlan, silentNoise, unprotectedPlan } from '../testing/plans.ts';
import { integerNoise } from './integerNoise.ts';
import { noisyLocalCounts } from './localCounts.ts';
import type { LocalCounts } from './localCounts.ts';
import type { NoiseKind } from './plan.ts';
import type { Privatized } from './privatized.ts';

const plan = { ...examplePlan, localMetricsNoiseMultiplier: 20 };

test('both counts go through one call for noise of 20 · sqrt(2), with its event', () => {
  const { noise, asked } = silentNoise();
  const counts = noisyLocalCounts(plan, { correct: 7, rows: 30 }, noise);
  expect(counts.values).toEqual({ correct: 7, rows: 30 });
  expect(asked).toEqual([20 * Math.SQRT2]);
  expect(counts.event).toEqual({
    type: 'gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    noiseMultiplier: 20,
  });
  expectTypeOf(counts).toExtend<Privatized<LocalCounts>>();
});

describe.each<[NoiseKind, number]>([
  ['rounded-gaussian', 20 * Math.SQRT2],
  ['discrete-gaussian', 29],
])('%s', (kind, expected) => {
  const noise = integerNoise(kind, seededRandom(3));
  const draws = Array.from(
    { length: 20_000 },
    () => noisyLocalCounts({ ...plan, noise: kind }, { correct: 7, rows: 30 }, noise).values,
  );

  test.each([
    ['correct', 7],
    ['rows', 30],
  ] as const)('%s: right mean and standard deviation, integers', (name, value) => {
    const values = draws.map((draw) => draw[name]);
    expect(values.every(Number.isSafeInteger)).toBe(true);
    const { mean, stdDev } = moments(values);
    expect(Math.abs(mean - value)).toBeLessThan((6 * expected) / Math.sqrt(draws.length));
    expect(Math.abs(stdDev / expected - 1)).toBeLessThan(0.03); // 6 standard errors
  });

  test('the two are independent', () => {
    const product = draws.reduce((sum, { correct, rows }) => sum + (correct - 7) * (rows - 30), 0);
    expect(Math.abs(product / expected ** 2 / Math.sqrt(draws.length))).toBeLessThan(6);
  });
});

test('refused: a plan that asks for none, other noise, and what are no counts', () => {
  const counts = { correct: 1, rows: 2 };
  expect(() => noisyLocalCounts(examplePlan, counts, silentNoise().noise)).toThrow(
    /asks for no local counts/,
  );
  expect(() => noisyLocalCounts(unprotectedPlan, counts, silentNoise().noise)).toThrow(
    /asks for no local counts/,
  );
  expect(() =>
    noisyLocalCounts({ ...plan, noise: 'discrete-gaussian' }, counts, silentNoise().noise),
  ).toThrow(/discrete-gaussian/);
  for (const bad of [
    { correct: 3, rows: 2 },
    { correct: -1, rows: 2 },
    { correct: 0.5, rows: 2 },
    { correct: 0, rows: Number.NaN },
  ]) {
    expect(() => noisyLocalCounts(plan, bad, silentNoise().noise)).toThrow(/0 ≤ correct ≤ rows/);
  }
});
