import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { examplePlan, unprotectedPlan } from '../testing/plans.ts';
import { mechanismOf } from './mechanism.ts';
import { roundEvent, sensitivityOf } from './plan.ts';
import type { PrivacyPlan } from './plan.ts';

const contributorPlan: PrivacyPlan = { ...examplePlan, unit: 'contributor' };

test('unit example: a grid of C/32768, noise of noiseMultiplier · C', () => {
  const mechanism = mechanismOf(examplePlan);
  expect(mechanism.gradientSums).toBe('grid');
  expect(mechanism.gridStep).toBe(2 / 32_768);
  expect(mechanism.noiseStdDevUnits).toBe(1.5 * 32_768);
  expect(mechanism.updateEvent).toEqual(roundEvent(examplePlan));
  expect(mechanism.localCounts).toBeNull();
  // Norms 1 and 4 at C 2: 16,384 units per unit of gradient, and half of that (less the margin of 1e-4)
  const factors = mechanism.exampleFactors(Float32Array.of(1, 16, Number.NaN));
  expect(factors[0]).toBe(16_384);
  expect(factors[1]).toBeCloseTo(8192 * 0.9999, 2);
  expect(factors[2]).toBe(0);
});

test('automatic clipping reaches the factors', () => {
  const mechanism = mechanismOf({ ...examplePlan, clipping: 'automatic' });
  expect(mechanism.exampleFactors(Float32Array.of(1))[0]).toBeCloseTo((0.9999 * 32_768) / 1.01, 2);
});

test('unit contributor: gradients as they are, noise of twice that', () => {
  const mechanism = mechanismOf(contributorPlan);
  expect(mechanism.gradientSums).toBe('plain');
  expect(mechanism.noiseStdDevUnits).toBe(2 * 1.5 * 32_768);
  expect(mechanism.updateEvent).toMatchObject({ type: 'gaussian', privacyUnit: 'contributor' });
  expect([...mechanism.exampleFactors(Float32Array.of(1, 1e30, Infinity, Number.NaN))]).toEqual([1, 1, 0, 0]);
});

test('unit none: gradients as they are, no noise', () => {
  const mechanism = mechanismOf(unprotectedPlan);
  expect(mechanism.gradientSums).toBe('plain');
  expect(mechanism.noiseStdDevUnits).toBeNull();
  expect(mechanism.updateEvent).toEqual({ type: 'non-private' });
  expect([...mechanism.exampleFactors(Float32Array.of(1, Number.NaN))]).toEqual([1, 0]);
});

test('property: noise and grid agree with the plan, and noise is an exact multiple of the grid', () => {
  const positive = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(positive, positive, fc.boolean(), (clippingNorm, noiseMultiplier, whole) => {
      const plan = { ...(whole ? contributorPlan : examplePlan), clippingNorm, noiseMultiplier };
      const { gridStep, noiseStdDevUnits } = mechanismOf(plan);
      expect(noiseStdDevUnits).toBe(noiseMultiplier * (whole ? 2 : 1) * 32_768);
      expect((noiseStdDevUnits! * gridStep) / (plan.noiseMultiplier * sensitivityOf(plan))).toBeCloseTo(
        1,
        12,
      );
    }),
  );
});

describe('local counts', () => {
  const plan = { ...examplePlan, localMetricsNoiseMultiplier: 20 };
  const { localCounts, updateEvent } = mechanismOf(plan);

  test('have noise of their sensitivity sqrt(2), and an event of their own', () => {
    expect(localCounts!.noiseStdDev).toBe(20 * Math.SQRT2);
    expect(localCounts!.event).toMatchObject({ type: 'gaussian', noiseMultiplier: 20 });
  });

  test('the update and the counts together are what a round is charged', () => {
    expect({ type: 'composed', events: [updateEvent, localCounts!.event] }).toEqual(roundEvent(plan));
  });
});

test('a plan out of range, or with noise that integers cannot hold, is refused', () => {
  expect(() => mechanismOf({ ...examplePlan, samplingRate: 2 })).toThrow(/samplingRate/);
  expect(() => mechanismOf({ ...examplePlan, noiseMultiplier: 1e12 })).toThrow(/smaller noiseMultiplier/);
  const discrete = { ...examplePlan, noise: 'discrete-gaussian' } as const;
  expect(mechanismOf({ ...discrete, noiseMultiplier: 2048 }).noiseStdDevUnits).toBe(2 ** 26);
  expect(() => mechanismOf({ ...discrete, noiseMultiplier: 2049 })).toThrow(/discrete-gaussian/);
});

test('nothing of it can be changed afterwards', () => {
  const plan = { ...examplePlan };
  const mechanism = mechanismOf(plan);
  plan.clippingNorm = 1000;
  expect(mechanism.plan.clippingNorm).toBe(2);
  expect(mechanism.exampleFactors(Float32Array.of(1))[0]).toBe(16_384);
  expect(Object.isFrozen(mechanism) && Object.isFrozen(mechanism.plan)).toBe(true);
});
