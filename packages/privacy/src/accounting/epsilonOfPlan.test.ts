import { expect, test } from 'vitest';
import type { PrivacyPlan } from '../mechanism/plan.ts';
import { roundsWithin, spentEpsilonAfter } from './epsilonOfPlan.ts';

const plan: PrivacyPlan = {
  unit: 'example',
  clipping: 'flat',
  clippingNorm: 2,
  noiseMultiplier: 1,
  noise: 'rounded-gaussian',
  samplingRate: 0.05,
  localSteps: 10,
  expectedBatchSize: 32,
  learningRate: 0.5,
  targetDelta: 1e-5,
  localMetricsNoiseMultiplier: null,
};
const unprotected: PrivacyPlan = { ...plan, unit: 'none', noiseMultiplier: 0 };

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
