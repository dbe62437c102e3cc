import { describe, expect, test } from 'vitest';
import { examplePlan, unprotectedPlan } from '../testing/plans.ts';
import { checkPrivacyPlan, eventOfRounds, roundEvent, sensitivityOf } from './plan.ts';
import type { PrivacyPlan } from './plan.ts';

const plan: PrivacyPlan = { ...examplePlan, noiseMultiplier: 1, localSteps: 10 };
const wholeContributor: PrivacyPlan = { ...plan, unit: 'contributor' };
const withMetrics: PrivacyPlan = { ...plan, localMetricsNoiseMultiplier: 20 };

describe('checkPrivacyPlan', () => {
  test('good plans pass', () => {
    const good = [
      plan,
      wholeContributor,
      withMetrics,
      unprotectedPlan,
      { ...unprotectedPlan, targetDelta: 0 },
      { ...plan, samplingRate: 1 },
      { ...plan, clippingNorm: 1e-12 },
      { ...plan, clippingNorm: 1e12 },
    ];
    for (const each of good) expect(() => checkPrivacyPlan(each)).not.toThrow();
  });

  const bad = [
    { clippingNorm: 0 },
    { clippingNorm: Infinity },
    { clippingNorm: 9e-13 },
    { clippingNorm: 1100000000000 },
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
    { localMetricsNoiseMultiplier: 0 },
    { localMetricsNoiseMultiplier: Infinity },
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
    expect(() => checkPrivacyPlan({ ...unprotectedPlan, unit: 'example' })).toThrow(/noiseMultiplier/);
    const unknown = { ...plan, unit: 'person' } as unknown as PrivacyPlan;
    expect(() => checkPrivacyPlan(unknown)).toThrow(/unit.*person/);
  });

  test('unknown kinds of clipping and noise are refused by name', () => {
    const clipping = { ...plan, clipping: 'adaptive' } as unknown as PrivacyPlan;
    expect(() => checkPrivacyPlan(clipping)).toThrow(/clipping.*flat, automatic.*adaptive/);
    const noise = { ...plan, noise: 'laplace' } as unknown as PrivacyPlan;
    expect(() => checkPrivacyPlan(noise)).toThrow(/noise.*rounded-gaussian.*laplace/);
  });

  test('counts of own rows have a bound for unit example only', () => {
    for (const other of [wholeContributor, unprotectedPlan]) {
      const asked = { ...other, localMetricsNoiseMultiplier: 20 };
      expect(() => checkPrivacyPlan(asked)).toThrow(/localMetricsNoiseMultiplier needs unit 'example'/);
    }
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
  expect(roundEvent(unprotectedPlan)).toEqual({ type: 'non-private' });
  expect(eventOfRounds(plan, 3)).toEqual({ type: 'self-composed', count: 3, event: roundEvent(plan) });
});

test('a round of a whole contributor is one Gaussian, whatever its steps and samples', () => {
  const event = roundEvent({ ...wholeContributor, samplingRate: 0.01 });
  expect(event).toEqual({
    type: 'gaussian',
    privacyUnit: 'contributor',
    neighbouringRelation: 'replace',
    noiseMultiplier: 1,
  });
  expect(roundEvent({ ...wholeContributor, localSteps: 1 })).toEqual(event);
});

test('counts of own rows are one more Gaussian in each round', () => {
  const counts = {
    type: 'gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    noiseMultiplier: 20,
  };
  expect(roundEvent(withMetrics)).toEqual({ type: 'composed', events: [roundEvent(plan), counts] });
});

test('sensitivity is C for one example, 2C for a contributor replaced, and nothing without protection', () => {
  expect(sensitivityOf(plan)).toBe(2);
  expect(sensitivityOf(wholeContributor)).toBe(4);
  expect(() => sensitivityOf(unprotectedPlan)).toThrow(/no sensitivity/);
});
