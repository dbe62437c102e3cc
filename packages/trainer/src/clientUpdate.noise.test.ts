import { openCompute } from '@chorale/compute';
import type { NoiseKind, PrivacyPlan } from '@chorale/privacy';
import { noiseSource, webCryptoRandom } from '@chorale/privacy';
import { scriptedNoise } from '@chorale/privacy/testing/scriptedNoise';
import { moments, normalKsStatistic } from '@chorale/testing/statistics';
import { describe, expect, test } from 'vitest';
import { computeClientUpdate } from './clientUpdate.ts';
import { nobody, tinyTraining } from './testing/tinyTraining.ts';

const VALUES = 37_000; // resolves the standard deviation to 0.37 %
const KINDS: NoiseKind[] = ['rounded-gaussian', 'discrete-gaussian'];

/**
 * Updates of rounds without data, one after the other, of the product's own noise: what is in them is noise alone.
 * @returns at least VALUES values
 */
async function noiseOfRounds(
  change: Partial<PrivacyPlan>,
): Promise<{ values: number[]; parameterCount: number }> {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, {
    clippingNorm: 0.7,
    noiseMultiplier: 1.3,
    learningRate: 0.4,
    expectedBatchSize: 5,
    ...change,
  });
  const { plan } = options;
  const values: number[] = [];
  while (values.length < VALUES) {
    const noise = noiseSource(plan.noise);
    const update = await computeClientUpdate(parameters, {
      ...options,
      examples: [],
      random: webCryptoRandom,
      noise,
    });
    values.push(...update.values);
  }
  classifier.dispose();
  return { values, parameterCount: parameters.length };
}

function expectNormal(values: number[], stdDev: number): void {
  const seen = moments(values);
  expect(Math.abs(seen.mean)).toBeLessThan((6 * stdDev) / Math.sqrt(values.length));
  expect(Math.abs(seen.stdDev / stdDev - 1)).toBeLessThan(0.02);
  expect(normalKsStatistic(values, stdDev)).toBeLessThan(3); // P ≈ 2·exp(−18) = 3e-8
}

describe.each(KINDS)('a round without data is %s noise alone', (noise) => {
  test.each([1, 4])(
    'unit example, %s steps: learningRate · noiseMultiplier · C / expectedBatchSize · sqrt(steps)',
    { timeout: 120_000 },
    async (localSteps) => {
      const { values } = await noiseOfRounds({ noise, localSteps });
      expectNormal(values, ((0.4 * 1.3 * 0.7) / 5) * Math.sqrt(localSteps));
    },
  );

  test('unit contributor: noiseMultiplier · 2C, however many steps', { timeout: 120_000 }, async () => {
    const { values } = await noiseOfRounds({ noise, unit: 'contributor', localSteps: 3 });
    expectNormal(values, 1.3 * 2 * 0.7);
  });
});

test('coordinates are independent, and so are rounds', { timeout: 120_000 }, async () => {
  const { values, parameterCount } = await noiseOfRounds({});
  const stdDev = (0.4 * 1.3 * 0.7) / 5;
  for (const lag of [1, parameterCount]) {
    let sum = 0;
    for (let i = 0; i + lag < values.length; i++) sum += (values[i]! * values[i + lag]!) / stdDev ** 2;
    expect(Math.abs(sum / Math.sqrt(values.length - lag))).toBeLessThan(6); // each term has variance 1
  }
});

test('a sample that stays empty although there are data is noised like any other', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 2 });
  const asked: number[] = [];
  const noise = scriptedNoise((_, stdDev) => void asked.push(stdDev));
  await computeClientUpdate(parameters, { ...options, random: nobody, noise });
  expect(asked).toEqual([32_768, 32_768]);
  classifier.dispose();
});
