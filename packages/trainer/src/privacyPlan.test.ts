import { spentEpsilonAfter } from '@chorale/privacy';
import { examplePlan } from '@chorale/privacy/testing/plans';
import { expect, test } from 'vitest';
import { privacyPlanOf, resolveNoiseMultiplier } from './privacyPlan.ts';
import { tinyRun } from './testing/tinyRun.ts';

const training = {
  localSteps: 10,
  learningRate: 0.5,
  samplingRate: 0.05,
  expectedBatchSize: 32,
  clippingNorm: 2,
};
const rounds = { count: 30, cohortSize: 1, minimumUpdates: 1 };

test('a named noise multiplier is taken as it is; no privacy has none', () => {
  const named = tinyRun({ privacy: { unit: 'example', noiseMultiplier: 0.7, targetDelta: 1e-5 } });
  expect(resolveNoiseMultiplier(named)).toBe(0.7);
  expect(resolveNoiseMultiplier(tinyRun({ privacy: { unit: 'none' } }))).toBe(0);
});

test('a target epsilon holds over all steps of all rounds, and little less noise breaks it', () => {
  const config = tinyRun({
    training,
    rounds,
    privacy: { unit: 'example', targetEpsilon: 6, targetDelta: 1e-5 },
  });
  const noiseMultiplier = resolveNoiseMultiplier(config);
  const spent = (multiplier: number) =>
    spentEpsilonAfter(privacyPlanOf({ config, noiseMultiplier: multiplier }), 30);
  expect(spent(noiseMultiplier)).toBeLessThanOrEqual(6);
  expect(spent(0.99 * noiseMultiplier)).toBeGreaterThan(6);
});

test('the counts that tabs report beside are within the target epsilon too', () => {
  const config = tinyRun({
    training,
    rounds,
    privacy: { unit: 'example', targetEpsilon: 6, targetDelta: 1e-5 },
    localMetrics: { noiseMultiplier: 8 },
  });
  const noiseMultiplier = resolveNoiseMultiplier(config);
  expect(spentEpsilonAfter(privacyPlanOf({ config, noiseMultiplier }), 30)).toBeLessThanOrEqual(6);
  const without = resolveNoiseMultiplier({ ...config, localMetrics: undefined });
  expect(noiseMultiplier).toBeGreaterThan(1.02 * without);
});

test('for contributors it is the noise of one Gaussian release per round', () => {
  const config = tinyRun({
    training,
    rounds: { ...rounds, count: 100 },
    privacy: { unit: 'contributor', targetEpsilon: 4, targetDelta: 1e-5 },
  });
  // dp.json, derived.gaussian_sigma: epsilon 4 at delta 1e-5 takes 1.08116184952024 for one release
  expect(resolveNoiseMultiplier(config)).toBeCloseTo(10.8117, 4);
});

test('the plan of a run has its constants', () => {
  const privacy = { unit: 'example', noiseMultiplier: 0.7, targetDelta: 1e-5 } as const;
  expect(privacyPlanOf({ config: tinyRun({ training, rounds, privacy }), noiseMultiplier: 0.7 })).toEqual({
    ...examplePlan,
    noiseMultiplier: 0.7,
    localSteps: 10,
    expectedBatchSize: 32,
  });
  expect(privacyPlanOf({ config: tinyRun({ privacy: { unit: 'none' } }), noiseMultiplier: 0 })).toMatchObject(
    {
      unit: 'none',
      noiseMultiplier: 0,
      targetDelta: 0,
    },
  );
});
