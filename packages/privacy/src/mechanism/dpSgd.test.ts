import { seededRandom } from '@chorale/testing/seededRandom';
import { moments } from '@chorale/testing/statistics';
import { describe, expect, test, vi } from 'vitest';
import { examplePlan as plan, silentNoise } from '../testing/plans.ts';
import { integerNoise, noiseSource } from './integerNoise.ts';
import { NumericalError } from './localRound.ts';
import { roundEvent } from './plan.ts';
import type { NoiseKind } from './plan.ts';
import { LARGEST_FLOAT32 } from './saturate.ts';
import { startLocalRound } from './startLocalRound.ts';

/** Gradients of these lengths as sums of grid units: 16,384 units per unit at clippingNorm 2. */
const gridSum = (...values: number[]) => Float64Array.from(values, (value) => value * 16_384);

describe('arithmetic without noise', () => {
  test('each step subtracts learningRate · sum / expectedBatchSize', () => {
    const { noise, asked } = silentNoise();
    const round = startLocalRound(plan, Float32Array.of(1, 2, -3), noise);
    expect(round.parameters).toEqual(Float32Array.of(1, 2, -3));
    round.step(gridSum(4, -8, 0));
    expect(round.parameters).toEqual(Float32Array.of(0.75, 2.5, -3));
    round.step(gridSum(4, 0, 16));
    expect(round.parameters).toEqual(Float32Array.of(0.5, 2.5, -4));
    const update = round.finish();
    expect(update.values).toEqual(Float32Array.of(-0.5, 0.5, -1));
    expect(update.event).toEqual(roundEvent(plan));
    expect(asked).toEqual([49_152, 49_152]); // noiseMultiplier · 32,768, once per step
  });

  test('the event is that of the update alone when counts are asked for too', () => {
    const round = startLocalRound(
      { ...plan, localSteps: 1, localMetricsNoiseMultiplier: 20 },
      Float32Array.of(1),
      silentNoise().noise,
    );
    round.step(gridSum(0));
    expect(round.finish().event).toEqual(roundEvent({ ...plan, localSteps: 1 }));
  });
});

describe.each<NoiseKind>(['rounded-gaussian', 'discrete-gaussian'])('noise only, %s', (noise) => {
  const size = 36_864; // one vector resolves the standard deviation to 0.37 %

  test.each([
    [1, 0.5],
    [10, 0.5],
    [1, 0.01],
  ])('%s steps at learning rate %s', (localSteps, learningRate) => {
    const source = integerNoise(noise, seededRandom(localSteps));
    const own = { ...plan, noise, localSteps, learningRate };
    const round = startLocalRound(own, new Float32Array(size).fill(0.25), source);
    for (let i = 0; i < localSteps; i++) round.step(new Float64Array(size));
    const expected = ((learningRate * 1.5 * 2) / 8) * Math.sqrt(localSteps);
    const { mean, stdDev } = moments(round.finish().values);
    expect(Math.abs(mean)).toBeLessThan((6 * expected) / Math.sqrt(size));
    expect(Math.abs(stdDev / expected - 1)).toBeLessThan(0.02);
  });

  test('with Web Crypto, fresh in every step, and never from Math.random', () => {
    const random = vi.spyOn(Math, 'random').mockImplementation(() => {
      throw new Error('Math.random was called');
    });
    const round = startLocalRound({ ...plan, noise }, new Float32Array(size), noiseSource(noise));
    round.step(new Float64Array(size));
    const first = round.parameters.slice();
    round.step(new Float64Array(size));
    const second = round.parameters.map((value, i) => value - first[i]!);
    random.mockRestore();
    const correlation =
      second.reduce((sum, v, i) => sum + v * first[i]!, 0) / ((0.5 * 3) / 8) ** 2 / Math.sqrt(size);
    expect(Math.abs(correlation)).toBeLessThan(7);
    expect(first.filter((value) => value === 0).length).toBeLessThan(10); // P(0) = 8e-6 each
  });
});

describe('fails closed', () => {
  test.each([Number.NaN, Infinity, -Infinity, 0.5, 2 ** 53])('a sum with %s loses the round', (value) => {
    const { noise, asked } = silentNoise();
    const round = startLocalRound({ ...plan, localSteps: 1 }, Float32Array.of(0), noise);
    expect(() => round.step(Float64Array.of(value))).toThrow(NumericalError);
    expect(asked).toEqual([]);
    expect(round.parameters).toEqual(Float32Array.of(0));
    expect(() => round.step(Float64Array.of(0))).toThrow(/failed/);
    expect(() => round.finish()).toThrow(/failed/);
  });

  test('also after all steps but the last were good', () => {
    const round = startLocalRound(plan, Float32Array.of(0), silentNoise().noise);
    round.step(Float64Array.of(1));
    expect(() => round.step(Float64Array.of(Number.NaN))).toThrow(NumericalError);
    expect(() => round.finish()).toThrow(/failed/);
  });
});

// No update where one was expected is a release as well: it must not depend on what was drawn
describe('whatever the noise, the round goes on: what float32 cannot hold is the largest it can', () => {
  test.each([1e40, 1e300, Number.MAX_VALUE])('learning rate %s', (learningRate) => {
    const round = startLocalRound({ ...plan, learningRate }, Float32Array.of(0, 0, 5), silentNoise().noise);
    round.step(gridSum(1, -1, 0));
    expect(round.parameters).toEqual(Float32Array.of(-LARGEST_FLOAT32, LARGEST_FLOAT32, 5));
    round.step(gridSum(-1, -1, 0));
    const { values } = round.finish();
    expect(values.every(Number.isFinite)).toBe(true);
    expect(values.subarray(1)).toEqual(Float32Array.of(LARGEST_FLOAT32, 0));
  });

  test('also where the change is larger than its two ends', () => {
    const start = Float32Array.of(LARGEST_FLOAT32, -LARGEST_FLOAT32);
    const round = startLocalRound({ ...plan, localSteps: 1, learningRate: 1e40 }, start, silentNoise().noise);
    round.step(gridSum(8, -8));
    expect(round.parameters).toEqual(Float32Array.of(-LARGEST_FLOAT32, LARGEST_FLOAT32));
    expect(round.finish().values).toEqual(Float32Array.of(-LARGEST_FLOAT32, LARGEST_FLOAT32));
  });
});
