import { describe, expect, test } from 'vitest';
import { checkPrivacyPlan, eventOfRounds, noiseStdDev, roundEvent } from './plan.ts';
import type { PrivacyPlan } from './plan.ts';

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
    const unknown = { ...plan, unit: 'person' } as unknown as PrivacyPlan;
    expect(() => checkPrivacyPlan(unknown)).toThrow(/unit.*person/);
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
  expect(noiseStdDev({ ...plan, noiseMultiplier: 1.5 })).toBe(3);
});
