import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import { DpSgd, NumericalError } from './dpSgd.ts';
import type { DpEvent } from '../events.ts';
import { webCryptoNoise } from './gaussianNoise.ts';
import type { NoiseSource } from './gaussianNoise.ts';
import * as api from '../index.ts';
import { roundEvent } from './plan.ts';
import type { PrivacyPlan } from './plan.ts';
import type { Privatized } from './privatized.ts';

const plan: PrivacyPlan = {
  unit: 'example',
  clippingNorm: 2,
  noiseMultiplier: 1.5,
  samplingRate: 0.05,
  localSteps: 2,
  expectedBatchSize: 8,
  learningRate: 0.5,
  targetDelta: 1e-5,
  clipping: 'flat',
  noise: 'rounded-gaussian',
  localMetricsNoiseMultiplier: null,
};
const unprotected: PrivacyPlan = { ...plan, unit: 'none', noiseMultiplier: 0 };

/** Adds nothing, and keeps what it was asked for. */
function silentNoise(): NoiseSource & { asked: number[] } {
  const asked: number[] = [];
  return { asked, addGaussian: (_, stdDev) => void asked.push(stdDev) };
}

/** Fails when it is asked for noise. */
const forbiddenNoise: NoiseSource = {
  addGaussian() {
    throw new Error('no noise was expected');
  },
};

describe('arithmetic without noise', () => {
  test('each step subtracts learningRate · sum / expectedBatchSize', () => {
    const noise = silentNoise();
    const sgd = new DpSgd(plan, Float32Array.of(1, 2, -3), noise);
    expect(sgd.parameters).toEqual(Float32Array.of(1, 2, -3));
    sgd.step(Float32Array.of(4, -8, 0));
    expect(sgd.parameters).toEqual(Float32Array.of(0.75, 2.5, -3));
    sgd.step(Float32Array.of(4, 0, 16));
    expect(sgd.parameters).toEqual(Float32Array.of(0.5, 2.5, -4));
    const update = sgd.finish();
    expect(update.values).toEqual(Float32Array.of(-0.5, 0.5, -1));
    expect(update.event).toEqual(roundEvent(plan));
    expect(noise.asked).toEqual([3, 3]); // noiseMultiplier · clippingNorm, once per step
  });

  test('unit none asks for no noise and says so', () => {
    const sgd = new DpSgd({ ...unprotected, localSteps: 1 }, Float32Array.of(0), forbiddenNoise);
    sgd.step(Float32Array.of(16));
    const update = sgd.finish();
    expect(update.values).toEqual(Float32Array.of(-1));
    expect(update.event).toEqual({ type: 'non-private' });
  });

  test('small steps on large parameters are not lost to float32', () => {
    const sgd = new DpSgd({ ...unprotected, localSteps: 1000 }, Float32Array.of(1e6), forbiddenNoise);
    for (let i = 0; i < 1000; i++) sgd.step(Float32Array.of(-0.016)); // +0.001 each; float32 there steps by 0.0625
    expect(sgd.finish().values[0]).toBeCloseTo(1, 5);
  });

  test('nothing that a caller holds can change the round', () => {
    const start = Float32Array.of(1);
    const sum = Float32Array.of(16);
    const changing = { ...unprotected };
    const sgd = new DpSgd(changing, start, forbiddenNoise);
    changing.learningRate = 100;
    start[0] = 50;
    sgd.step(sum);
    expect(sum).toEqual(Float32Array.of(16));
    sgd.parameters[0] = 1e9;
    sgd.step(Float32Array.of(0));
    expect(sgd.parameters).toEqual(Float32Array.of(0));
    expect(sgd.finish().values).toEqual(Float32Array.of(-1));
  });
});

describe('noise only: all gradients are zero', () => {
  const size = 36_864; // one vector resolves the standard deviation to 0.37 %

  test.each([
    [1, 0.5],
    [10, 0.5],
    [1, 0.01],
  ])('%s steps at learning rate %s', (localSteps, learningRate) => {
    const noise = webCryptoNoise(seededRandom(localSteps));
    const sgd = new DpSgd({ ...plan, localSteps, learningRate }, new Float32Array(size).fill(0.25), noise);
    for (let i = 0; i < localSteps; i++) sgd.step(new Float32Array(size));
    const { values } = sgd.finish();
    const expected = ((learningRate * 1.5 * 2) / 8) * Math.sqrt(localSteps);
    const mean = values.reduce((sum, v) => sum + v, 0) / size;
    const stdDev = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size);
    expect(Math.abs(mean)).toBeLessThan((6 * expected) / Math.sqrt(size));
    expect(Math.abs(stdDev / expected - 1)).toBeLessThan(0.02);
  });

  test('with Web Crypto, fresh in every step, and never from Math.random', () => {
    const random = vi.spyOn(Math, 'random').mockImplementation(() => {
      throw new Error('Math.random was called');
    });
    const sgd = new DpSgd(plan, new Float32Array(size), webCryptoNoise());
    sgd.step(new Float32Array(size));
    const first = sgd.parameters.slice();
    sgd.step(new Float32Array(size));
    const second = sgd.parameters.map((value, i) => value - first[i]!);
    random.mockRestore();
    const correlation =
      second.reduce((sum, v, i) => sum + v * first[i]!, 0) / ((0.5 * 3) / 8) ** 2 / Math.sqrt(size);
    expect(Math.abs(correlation)).toBeLessThan(7);
    expect(first.every((value) => value !== 0)).toBe(true);
  });
});

describe('the number of steps is fixed', () => {
  test('no finish before the last step; the round goes on', () => {
    const sgd = new DpSgd(plan, Float32Array.of(0), silentNoise());
    expect(() => sgd.finish()).toThrow(/expected 2 steps before finish, got 0/);
    sgd.step(Float32Array.of(0));
    expect(() => sgd.finish()).toThrow(/got 1/);
    sgd.step(Float32Array.of(0));
    expect(sgd.stepsTaken).toBe(2);
    sgd.finish();
  });

  test('no step after the last; the round can still be finished', () => {
    const sgd = new DpSgd(plan, Float32Array.of(0), silentNoise());
    sgd.step(Float32Array.of(16));
    sgd.step(Float32Array.of(16));
    expect(() => sgd.step(Float32Array.of(16))).toThrow(/one more/);
    expect(sgd.finish().values).toEqual(Float32Array.of(-2));
  });

  test('finish works once', () => {
    const sgd = new DpSgd({ ...plan, localSteps: 1 }, Float32Array.of(0), silentNoise());
    sgd.step(Float32Array.of(0));
    sgd.finish();
    expect(() => sgd.finish()).toThrow(/is finished/);
    expect(() => sgd.step(Float32Array.of(0))).toThrow(/is finished/);
  });
});

describe('fails closed', () => {
  const expectLost = (sgd: DpSgd) => {
    expect(() => sgd.step(Float32Array.of(0))).toThrow(/failed/);
    expect(() => sgd.finish()).toThrow(/failed/);
  };

  test.each([Number.NaN, Infinity, -Infinity])('a sum with %s loses the round', (value) => {
    const sgd = new DpSgd({ ...plan, localSteps: 1 }, Float32Array.of(0), silentNoise());
    expect(() => sgd.step(Float32Array.of(value))).toThrow(NumericalError);
    expect(sgd.parameters).toEqual(Float32Array.of(0));
    expectLost(sgd);
  });

  test('also after all steps but the last were good', () => {
    const sgd = new DpSgd(plan, Float32Array.of(0), silentNoise());
    sgd.step(Float32Array.of(1));
    expect(() => sgd.step(Float32Array.of(Number.NaN))).toThrow(NumericalError);
    expectLost(sgd);
  });

  test('a noise source that fails loses the round', () => {
    const sgd = new DpSgd({ ...plan, localSteps: 1 }, Float32Array.of(0), forbiddenNoise);
    expect(() => sgd.step(Float32Array.of(0))).toThrow('no noise was expected');
    expectLost(sgd);
  });

  test('parameters that overflow lose the round', () => {
    const sgd = new DpSgd({ ...unprotected, learningRate: 1e30 }, Float32Array.of(0), forbiddenNoise);
    expect(() => sgd.step(Float32Array.of(1e30))).toThrow(NumericalError);
    expectLost(sgd);
  });

  test('another shape is refused before anything happens', () => {
    const noise = silentNoise();
    const sgd = new DpSgd({ ...plan, localSteps: 1 }, Float32Array.of(0, 0), noise);
    expect(() => sgd.step(Float32Array.of(1))).toThrow(RangeError);
    expect(noise.asked).toEqual([]);
    sgd.step(Float32Array.of(16, 0));
    expect(sgd.finish().values).toEqual(Float32Array.of(-1, 0));
  });

  test('bad starts are refused', () => {
    expect(() => new DpSgd({ ...plan, noiseMultiplier: 0 }, Float32Array.of(0), silentNoise())).toThrow(
      RangeError,
    );
    expect(() => new DpSgd(plan, new Float32Array(), silentNoise())).toThrow(RangeError);
    expect(() => new DpSgd(plan, Float32Array.of(Number.NaN), silentNoise())).toThrow(NumericalError);
  });

  test('its error carries a code of the protocol', () => {
    expect(new NumericalError('').code).toBe('DEVICE_ERROR');
  });
});

test('nobody else can grant the mark', () => {
  expectTypeOf<{ values: Float32Array; event: DpEvent }>().not.toExtend<Privatized<Float32Array>>();
  expect(Object.keys(api)).not.toContain('markPrivatized');
  const sgd = new DpSgd({ ...unprotected, localSteps: 1 }, Float32Array.of(0), forbiddenNoise);
  sgd.step(Float32Array.of(0));
  expect(Object.isFrozen(sgd.finish())).toBe(true);
});
