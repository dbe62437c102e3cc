import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test } from 'vitest';
import * as privacy from './index.ts';
import { integerNoise } from './mechanism/integerNoise.ts';
import type { NoiseKind } from './mechanism/plan.ts';
import { startLocalRound } from './mechanism/startLocalRound.ts';
import { seededNoiseSource } from './simulation.ts';
import { examplePlan } from './testing/plans.ts';

describe.each<NoiseKind>(['rounded-gaussian', 'discrete-gaussian'])('%s', (kind) => {
  const noiseOf = (make: typeof seededNoiseSource, seed: number) => {
    const values = new Float64Array(64);
    make(kind, seededRandom(seed)).addNoise(values, 1000);
    return values;
  };

  test('the same bytes give the same noise, that of the very sampler the mechanism uses', () => {
    expect(noiseOf(seededNoiseSource, 1)).toEqual(noiseOf(seededNoiseSource, 1));
    expect(noiseOf(seededNoiseSource, 1)).toEqual(noiseOf(integerNoise, 1));
    expect(noiseOf(seededNoiseSource, 1)).not.toEqual(noiseOf(seededNoiseSource, 2));
  });

  test('a local round takes it, and repeats with it', () => {
    const update = () => {
      const noise = seededNoiseSource(kind, seededRandom(3));
      const round = startLocalRound({ ...examplePlan, noise: kind }, new Float32Array(8), noise);
      for (let step = 0; step < examplePlan.localSteps; step++) round.step(new Float64Array(8));
      return round.finish().values;
    };
    expect(update()).toEqual(update());
    expect(update().some((value) => value !== 0)).toBe(true);
  });
});

test('the main entry point makes no noise from given bytes', () => {
  expect(privacy).not.toHaveProperty('seededNoiseSource');
  expect(privacy.noiseSource).toHaveLength(1);
  const seeded = privacy.noiseSource as unknown as typeof seededNoiseSource;
  const drawn = Array.from({ length: 2 }, () => {
    const values = new Float64Array(16);
    seeded('rounded-gaussian', seededRandom(1)).addNoise(values, 1e6);
    return values;
  });
  expect(drawn[0]).not.toEqual(drawn[1]);
});
