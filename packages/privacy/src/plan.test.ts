import { describe, expect, test } from 'vitest';
import {
  checkPrivacyPlan,
  eventOfRounds,
  roundEvent,
  roundsWithin,
  spentEpsilonAfter,
  stepNoiseStdDev,
} from './plan.ts';
import type { PrivacyPlan } from './plan.ts';

const plan: PrivacyPlan = {
  unit: 'example',
  clippingNorm: 2,
  noiseMultiplier: 1,
  samplingRate: 0.05,
  localSteps: 10,
  expectedBatchSize: 32,
  learningRate: 0.5,
  targetDelta: 1e-5,
};
const unprotected: PrivacyPlan = { ...plan, unit: 'none', noiseMultiplier: 0 };

describe('checkPrivacyPlan', () => {
  test('good plans pass', () => {
    const good = [plan, unprotected, { ...unprotected, targetDelta: 0 }, { ...plan, samplingRate: 1 }];
    for (const each of good) expect(() => checkPrivacyPlan(each)).not.toThrow();
  });

  const bad = [
    { clippingNorm: 0 },
    { clippingNorm: Infinity },
    { noiseMultiplier: 0 },
    { noiseMultiplier: -1 },
    { noiseMultiplier: Number.NaN },
    { samplingRate: 0 },
    { samplingRate: 1.01 },
    { localSteps: 0 },
    { localSteps: 2.5 },
    { expectedBatchSize: 0 },
    { learningRate: -0.1 },
    { targetDelta: 0 },
    { targetDelta: 1 },
    { targetDelta: Number.NaN },
  ] satisfies Partial<PrivacyPlan>[];
  test.each(bad)('%o is refused by name and value', (change) => {
    const [[field, value]] = Object.entries(change) as [[string, number]];
    const check = () => checkPrivacyPlan({ ...plan, ...change });
    expect(check).toThrow(RangeError);
    expect(check).toThrow(field);
    expect(check).toThrow(String(value));
    expect(() => roundEvent({ ...plan, ...change })).toThrow(RangeError);
  });

  test('a unit and its noise must agree', () => {
    expect(() => checkPrivacyPlan({ ...plan, unit: 'none' })).toThrow(/noiseMultiplier must be 0/);
    expect(() => checkPrivacyPlan({ ...unprotected, unit: 'example' })).toThrow(/noiseMultiplier/);
    const unknown = { ...plan, unit: 'contributor' } as unknown as PrivacyPlan;
    expect(() => checkPrivacyPlan(unknown)).toThrow(/unit.*contributor/);
  });
});

test('a round is localSteps sampled Gaussians', () => {
  expect(roundEvent(plan)).toEqual({
    type: 'self-composed',
    count: 10,
    event: {
      type: 'poisson-sampled-gaussian',
      privacyUnit: 'example',
      neighbouringRelation: 'zero-out',
      samplingRate: 0.05,
      noiseMultiplier: 1,
    },
  });
  expect(roundEvent(unprotected)).toEqual({ type: 'non-private' });
  expect(eventOfRounds(plan, 3)).toEqual({ type: 'self-composed', count: 3, event: roundEvent(plan) });
  expect(stepNoiseStdDev({ ...plan, noiseMultiplier: 1.5 })).toBe(3);
});

test('spent epsilon counts all local steps of all rounds', () => {
  expect(spentEpsilonAfter(plan, 0)).toBe(0);
  // Opacus' RDP accountant at 10, 20 and 50 rounds of 10 steps (privacy.md 1.4)
  expect(spentEpsilonAfter(plan, 10)).toBeCloseTo(4.03834, 4);
  expect(spentEpsilonAfter(plan, 20)).toBeCloseTo(5.367640841571381, 8);
  expect(spentEpsilonAfter(plan, 50)).toBeCloseTo(8.296681394517947, 8);
  expect(spentEpsilonAfter({ ...plan, localSteps: 20 }, 10)).toBe(spentEpsilonAfter(plan, 20));
  expect(spentEpsilonAfter(unprotected, 0)).toBe(0);
  expect(spentEpsilonAfter(unprotected, 1)).toBe(Infinity);
  expect(() => spentEpsilonAfter(plan, -1)).toThrow(RangeError);
  expect(() => spentEpsilonAfter(plan, 0.5)).toThrow(RangeError);
});

test('roundsWithin is the last round before the limit', () => {
  for (const limit of [1.9, 3, 4.1, 5.3677, 8]) {
    const rounds = roundsWithin(plan, limit, 1000);
    expect(spentEpsilonAfter(plan, rounds)).toBeLessThanOrEqual(limit);
    expect(spentEpsilonAfter(plan, rounds + 1)).toBeGreaterThan(limit);
  }
  expect(roundsWithin(plan, 5.3677, 1000)).toBe(20);
  expect(roundsWithin(plan, 5.3677, 12)).toBe(12);
  expect(roundsWithin(plan, spentEpsilonAfter(plan, 7), 1000)).toBe(7);
  expect(roundsWithin(plan, 0, 1000)).toBe(0);
  expect(roundsWithin(plan, 1, 0)).toBe(0);
  expect(roundsWithin(plan, Infinity, 30)).toBe(30);
  expect(roundsWithin(unprotected, 1e9, 30)).toBe(0);
  expect(roundsWithin(unprotected, Infinity, 30)).toBe(30);
  expect(() => roundsWithin(plan, Number.NaN, 30)).toThrow(RangeError);
  expect(() => roundsWithin(plan, -1, 30)).toThrow(RangeError);
  expect(() => roundsWithin(plan, 1, 1.5)).toThrow(RangeError);
});
