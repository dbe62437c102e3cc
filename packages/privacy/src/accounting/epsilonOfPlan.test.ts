import { expect, test } from 'vitest';
import type { PrivacyPlan } from '../mechanism/plan.ts';
import { examplePlan, unprotectedPlan } from '../testing/plans.ts';
import { roundsWithin, spentEpsilonAfter } from './epsilonOfPlan.ts';

const plan: PrivacyPlan = { ...examplePlan, noiseMultiplier: 1, localSteps: 10 };

test('spent epsilon counts all local steps of all rounds', () => {
  expect(spentEpsilonAfter(plan, 0)).toBe(0);
  // Tight accounting of 10, 20 and 50 rounds of 10 steps (privacy.md 1.4)
  for (const [rounds, tight] of [
    [10, 3.502148],
    [20, 4.765919],
    [50, 7.523694],
  ] as const) {
    expect(spentEpsilonAfter(plan, rounds)).toBeGreaterThan(tight - 1e-6);
    expect(spentEpsilonAfter(plan, rounds)).toBeLessThan(tight + 3e-4);
  }
  expect(spentEpsilonAfter({ ...plan, localSteps: 20 }, 10)).toBe(spentEpsilonAfter(plan, 20));
  expect(spentEpsilonAfter(unprotectedPlan, 0)).toBe(0);
  expect(spentEpsilonAfter(unprotectedPlan, 1)).toBe(Infinity);
  expect(() => spentEpsilonAfter(plan, -1)).toThrow(RangeError);
  expect(() => spentEpsilonAfter(plan, 0.5)).toThrow(RangeError);
});

test('what a round releases beside its steps counts as well', () => {
  const withCounts = { ...plan, localMetricsNoiseMultiplier: 8 };
  expect(spentEpsilonAfter(withCounts, 20)).toBeGreaterThan(1.05 * spentEpsilonAfter(plan, 20));
  expect(roundsWithin(withCounts, 4.767, 1000)).toBeLessThan(20);
});

test('of a contributor every round is one Gaussian release', () => {
  const contributor: PrivacyPlan = { ...plan, unit: 'contributor', noiseMultiplier: 50 };
  // dp.json, derived.gaussian_eps: σ 50, 1000 releases; localSteps do not matter
  expect(spentEpsilonAfter(contributor, 1000)).toBeCloseTo(2.59438338052761, 10);
  expect(roundsWithin(contributor, 2.5944, 2000)).toBe(1000);
});

test('roundsWithin is the last round before the limit', () => {
  for (const limit of [1.9, 3, 4.1, 4.767, 8]) {
    const rounds = roundsWithin(plan, limit, 1000);
    expect(spentEpsilonAfter(plan, rounds)).toBeLessThanOrEqual(limit);
    expect(spentEpsilonAfter(plan, rounds + 1)).toBeGreaterThan(limit);
  }
  expect(roundsWithin(plan, 4.767, 1000)).toBe(20);
  expect(roundsWithin(plan, 4.767, 12)).toBe(12);
  expect(roundsWithin(plan, spentEpsilonAfter(plan, 7), 1000)).toBe(7);
  expect(roundsWithin(plan, 0, 1000)).toBe(0);
  expect(roundsWithin(plan, 1, 0)).toBe(0);
  expect(roundsWithin(plan, Infinity, 30)).toBe(30);
  expect(roundsWithin(unprotectedPlan, 1e9, 30)).toBe(0);
  expect(roundsWithin(unprotectedPlan, Infinity, 30)).toBe(30);
  expect(() => roundsWithin(plan, Number.NaN, 30)).toThrow(RangeError);
  expect(() => roundsWithin(plan, -1, 30)).toThrow(RangeError);
  expect(() => roundsWithin(plan, 1, 1.5)).toThrow(RangeError);
});
