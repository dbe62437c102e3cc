import { seededRandom } from '@chorale/testing/seededRandom';
import { moments, normalKsStatistic } from '@chorale/testing/statistics';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { examplePlan, silentNoise } from '../testing/plans.ts';
import { scriptedNoise } from '../testing/scriptedNoise.ts';
import { clipToGrid } from './contributorUpdate.ts';
import { integerNoise } from './integerNoise.ts';
import type { NoiseKind, PrivacyPlan } from './plan.ts';
import { roundEvent } from './plan.ts';
import { LARGEST_FLOAT32 } from './saturate.ts';
import { startLocalRound } from './startLocalRound.ts';

const plan: PrivacyPlan = { ...examplePlan, unit: 'contributor' };
const norm = (values: Iterable<number>) => Math.hypot(...values);

test('steps are plain SGD; the change is noised once, at the end', () => {
  const { noise, asked } = silentNoise();
  const round = startLocalRound(plan, Float32Array.of(1, 2), noise);
  round.step(Float64Array.of(8, 0)); // −0.5 · 8/8
  expect(round.parameters).toEqual(Float32Array.of(0.5, 2));
  round.step(Float64Array.of(0, -16));
  expect(round.parameters).toEqual(Float32Array.of(0.5, 3));
  expect(asked).toEqual([]);
  const { values, event } = round.finish();
  expect(asked).toEqual([2 * 49_152]); // noiseMultiplier · 2 · 32,768
  expect(values).toEqual(Float32Array.of(-0.5, 1)); // shorter than 2: as it is
  expect(event).toEqual(roundEvent(plan));
  expect(event).toMatchObject({ type: 'gaussian', neighbouringRelation: 'replace', noiseMultiplier: 1.5 });
});

test('a long change is brought to clippingNorm in its direction', () => {
  const round = startLocalRound({ ...plan, localSteps: 1 }, Float32Array.of(0, 0), silentNoise().noise);
  round.step(Float64Array.of(-480, 640)); // change 30, −40
  const { values } = round.finish();
  expect(norm(values)).toBeLessThanOrEqual(2);
  expect(values[0]).toBeCloseTo(1.2, 3);
  expect(values[1]).toBeCloseTo(-1.6, 3);
});

test('automatic clipping brings a short change to about clippingNorm', () => {
  const round = startLocalRound(
    { ...plan, clipping: 'automatic', localSteps: 1 },
    Float32Array.of(0),
    silentNoise().noise,
  );
  round.step(Float64Array.of(-0.64)); // change 0.04: 0.04/0.05 of clippingNorm
  expect(round.finish().values[0]).toBeCloseTo(1.6, 3);
});

describe('whatever the data, the round goes on', () => {
  test.each([
    ['a sum that is not a number', Number.NaN],
    ['an infinite sum', Infinity],
    ['a sum that overflows float32', 1e60],
    ['a sum that overflows float64', 1e308],
  ])('%s: the change is none, with noise', (_, value) => {
    const { noise, asked } = silentNoise();
    const round = startLocalRound({ ...plan, localSteps: 3 }, Float32Array.of(1, 2), noise);
    round.step(Float64Array.of(8, 0));
    round.step(Float64Array.of(value, 0));
    expect(round.parameters).toEqual(Float32Array.of(1, 2)); // nothing the device would choke on
    round.step(Float64Array.of(8, 8));
    expect([...round.finish().values].map(Math.abs)).toEqual([0, 0]);
    expect(asked).toHaveLength(1);
  });
});

test('noise that float32 cannot hold is the largest it can', () => {
  const own = { ...plan, localSteps: 1 };
  const round = startLocalRound(
    own,
    Float32Array.of(0, 0),
    scriptedNoise((values) => values.set([1e60, -1e60])),
  );
  round.step(Float64Array.of(1, 1));
  expect(round.finish().values).toEqual(Float32Array.of(LARGEST_FLOAT32, -LARGEST_FLOAT32));
});

const anyVector = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: fc.double({ noNaN: true, min: -1e6, max: 1e6 }) },
    { weight: 1, arbitrary: fc.double() },
  ),
  { minLength: 5, maxLength: 5 },
);

test.each(['flat', 'automatic'] as const)(
  'property, %s: integers of norm at most 32,768, and any two of them at most twice that apart',
  (clipping) => {
    fc.assert(
      fc.property(
        anyVector,
        anyVector,
        fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
        (a, b, clippingNorm) => {
          const [first, second] = [a, b].map((values) =>
            clipToGrid(Float64Array.from(values), { clippingNorm, clipping }),
          );
          for (const clipped of [first!, second!]) {
            expect(clipped.every(Number.isSafeInteger)).toBe(true);
            expect(norm(clipped)).toBeLessThanOrEqual(32_768);
          }
          expect(norm(first!.map((value, i) => value - second![i]!))).toBeLessThanOrEqual(65_536);
        },
      ),
      { numRuns: 1000 },
    );
  },
);

test('the bound is met by opposite long vectors: the sensitivity is no less than 2C', () => {
  const [there, back] = [1, -1].map((sign) => clipToGrid(Float64Array.of(sign * 1e9, 0), plan));
  expect(there![0]! - back![0]!).toBeGreaterThan(65_536 * 0.9998);
});

test.each<NoiseKind>(['rounded-gaussian', 'discrete-gaussian'])(
  '%s noise only: standard deviation noiseMultiplier · 2C, however many steps',
  (noise) => {
    for (const localSteps of [1, 5]) {
      const size = 36_864;
      const source = integerNoise(noise, seededRandom(localSteps));
      const round = startLocalRound({ ...plan, noise, localSteps }, new Float32Array(size), source);
      for (let i = 0; i < localSteps; i++) round.step(new Float64Array(size));
      const { values } = round.finish();
      expect(Math.abs(moments(values).stdDev / 6 - 1)).toBeLessThan(0.02);
      expect(normalKsStatistic(values, 6)).toBeLessThan(3);
    }
  },
);
