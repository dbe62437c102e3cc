import { describe, expect, expectTypeOf, test } from 'vitest';
import type { DpEvent } from '../events.ts';
import * as api from '../index.ts';
import { examplePlan, forbiddenNoise, silentNoise, unprotectedPlan } from '../testing/plans.ts';
import { scriptedNoise } from '../testing/scriptedNoise.ts';
import { noiseSource } from './integerNoise.ts';
import { noisyLocalCounts } from './localCounts.ts';
import { NumericalError } from './localRound.ts';
import type { LocalRound } from './localRound.ts';
import type { NoiseSource } from './noiseSource.ts';
import type { PrivacyPlan } from './plan.ts';
import type { Privatized } from './privatized.ts';
import { startLocalRound } from './startLocalRound.ts';

const sum = (...values: number[]) => Float64Array.from(values);
const contributorPlan: PrivacyPlan = { ...examplePlan, unit: 'contributor' };

// What holds for every unit
describe.each([examplePlan, contributorPlan, unprotectedPlan])('unit $unit', (plan) => {
  const start = (parameters: Float32Array, change: Partial<PrivacyPlan> = {}) =>
    startLocalRound({ ...plan, ...change }, parameters, silentNoise().noise);

  test('no finish before the last step; the round goes on', () => {
    const round = start(Float32Array.of(0));
    expect(() => round.finish()).toThrow(/expected 2 steps before finish, got 0/);
    round.step(sum(0));
    expect(() => round.finish()).toThrow(/got 1/);
    round.step(sum(0));
    expect(round.stepsTaken).toBe(2);
    round.finish();
  });

  test('no step after the last; the round can still be finished', () => {
    const round = start(Float32Array.of(0));
    round.step(sum(16));
    round.step(sum(16));
    expect(() => round.step(sum(16))).toThrow(/one more/);
    expect(round.finish().values[0]).toBeLessThan(0);
  });

  test('finish works once', () => {
    const round = start(Float32Array.of(0), { localSteps: 1 });
    round.step(sum(0));
    expect(Object.isFrozen(round.finish())).toBe(true);
    expect(() => round.finish()).toThrow(/is finished/);
    expect(() => round.step(sum(0))).toThrow(/is finished/);
  });

  test('another shape is refused before anything happens', () => {
    const { noise, asked } = silentNoise();
    const round = startLocalRound({ ...plan, localSteps: 1 }, Float32Array.of(0, 0), noise);
    expect(() => round.step(sum(1))).toThrow(RangeError);
    expect(asked).toEqual([]);
    round.step(sum(16, 0));
    const [first, second] = round.finish().values;
    expect(first).toBeLessThan(0);
    expect(Math.abs(second!)).toBe(0);
  });

  test('nothing that a caller holds can change the round', () => {
    const round = (meddle: boolean) => {
      const first = Float32Array.of(1);
      const changing = { ...plan };
      const local = startLocalRound(changing, first, silentNoise().noise);
      const given = sum(-16);
      if (meddle) changing.learningRate = 100;
      if (meddle) first[0] = 50;
      local.step(given);
      expect([...given]).toEqual([-16]);
      if (meddle) local.parameters[0] = 1e9;
      local.step(sum(0));
      return [local.parameters[0], local.finish().values[0]];
    };
    expect(round(true)).toEqual(round(false));
  });

  test('bad starts are refused', () => {
    expect(() => start(new Float32Array())).toThrow(RangeError);
    expect(() => start(Float32Array.of(Number.NaN))).toThrow(NumericalError);
    expect(() => start(Float32Array.of(0), { learningRate: 0 })).toThrow(/learningRate/);
    expect(() =>
      startLocalRound(
        plan,
        Float32Array.of(0),
        scriptedNoise(() => {}, 'discrete-gaussian'),
      ),
    ).toThrow(/expected a source of rounded-gaussian noise/);
  });
});

function expectLost(round: LocalRound): void {
  expect(() => round.step(sum(0))).toThrow(/failed/);
  expect(() => round.finish()).toThrow(/failed/);
}

describe.each([examplePlan, contributorPlan])('unit $unit', (plan) => {
  test('a noise source that fails loses the round', () => {
    const round = startLocalRound({ ...plan, localSteps: 1 }, Float32Array.of(0), forbiddenNoise);
    expect(() => {
      round.step(sum(0));
      round.finish();
    }).toThrow('no noise was expected');
    expectLost(round);
  });
});

describe('unit none', () => {
  test('no noise, and the event says so', () => {
    const round = startLocalRound({ ...unprotectedPlan, localSteps: 1 }, Float32Array.of(0), forbiddenNoise);
    round.step(sum(16.4));
    const update = round.finish();
    expect(update.values).toEqual(Float32Array.of(-1.025));
    expect(update.event).toEqual({ type: 'non-private' });
  });

  test('small steps on large parameters are not lost to float32', () => {
    const round = startLocalRound(
      { ...unprotectedPlan, localSteps: 1000 },
      Float32Array.of(1e6),
      silentNoise().noise,
    );
    for (let i = 0; i < 1000; i++) round.step(sum(-0.016)); // +0.001 each; float32 there steps by 0.0625
    expect(round.finish().values[0]).toBeCloseTo(1, 5);
  });

  test.each([Number.NaN, Infinity])(
    'a sum with %s, and parameters that overflow, lose the round',
    (value) => {
      const round = startLocalRound(unprotectedPlan, Float32Array.of(0), silentNoise().noise);
      expect(() => round.step(sum(value))).toThrow(NumericalError);
      expect(round.parameters).toEqual(Float32Array.of(0));
      expectLost(round);
      const large = startLocalRound(
        { ...unprotectedPlan, learningRate: 1e30 },
        Float32Array.of(0),
        silentNoise().noise,
      );
      expect(() => large.step(sum(1e30))).toThrow(NumericalError);
      expectLost(large);
      const far = startLocalRound(
        { ...unprotectedPlan, localSteps: 1 },
        Float32Array.of(-3e38),
        silentNoise().noise,
      );
      far.step(sum(-16 * 6e38)); // parameters fit, their change does not
      expect(() => far.finish()).toThrow(NumericalError);
      expectLost(far);
    },
  );
});

describe('noise that noiseSource did not make is refused', () => {
  const { addNoise, kind } = noiseSource('rounded-gaussian');
  test.each([
    ['no noise', { kind, addNoise() {} }],
    ['a copy', { kind, addNoise }],
    ['an heir', Object.create(noiseSource('rounded-gaussian')) as object],
  ])('%s', (_, forged) => {
    const noise = forged as NoiseSource;
    expect(() => startLocalRound(examplePlan, Float32Array.of(0), noise)).toThrow(TypeError);
    const counting = { ...examplePlan, localMetricsNoiseMultiplier: 20 };
    expect(() => noisyLocalCounts(counting, { correct: 1, rows: 2 }, noise)).toThrow(TypeError);
  });

  test('nor can one be changed, or written down by its type', () => {
    expect(Object.isFrozen(noiseSource('discrete-gaussian'))).toBe(true);
    expectTypeOf<Pick<NoiseSource, 'kind' | 'addNoise'>>().not.toExtend<NoiseSource>();
    expect(Object.keys(api)).not.toContain('markNoiseSource');
  });
});

test('its error carries a code of the protocol', () => {
  expect(new NumericalError('').code).toBe('DEVICE_ERROR');
});

test('nobody else can grant the mark', () => {
  expectTypeOf<{ values: Float32Array; event: DpEvent }>().not.toExtend<Privatized<Float32Array>>();
  for (const name of ['markPrivatized', 'DpSgd', 'ContributorUpdate', 'UnprotectedSgd']) {
    expect(Object.keys(api)).not.toContain(name);
  }
  const round = startLocalRound(
    { ...examplePlan, localSteps: 1 },
    Float32Array.of(0),
    noiseSource('rounded-gaussian'),
  );
  round.step(sum(0));
  expectTypeOf(round.finish()).toExtend<Privatized<Float32Array>>();
});
