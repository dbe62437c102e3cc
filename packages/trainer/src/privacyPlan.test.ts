import { spentEpsilonAfter } from '@chorale/privacy';
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

test('the plan of a run has its constants', () => {
  const privacy = { unit: 'example', noiseMultiplier: 0.7, targetDelta: 1e-5 } as const;
  expect(privacyPlanOf({ config: tinyRun({ training, rounds, privacy }), noiseMultiplier: 0.7 })).toEqual({
    unit: 'example',
    clippingNorm: 2,
    noiseMultiplier: 0.7,
    samplingRate: 0.05,
    localSteps: 10,
    expectedBatchSize: 32,
    learningRate: 0.5,
    targetDelta: 1e-5,
  });
  expect(privacyPlanOf({ config: tinyRun({ privacy: { unit: 'none' } }), noiseMultiplier: 0 })).toMatchObject(
    {
      unit: 'none',
      noiseMultiplier: 0,
      targetDelta: 0,
    },
  );
});
