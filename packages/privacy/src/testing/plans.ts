import type { NoiseSource } from '../mechanism/noiseSource.ts';
import type { PrivacyPlan } from '../mechanism/plan.ts';
import { scriptedNoise } from './scriptedNoise.ts';

/** A plan of unit `example` with sizes that a reader can compute with. */
export const examplePlan: PrivacyPlan = {
  unit: 'example',
  clipping: 'flat',
  clippingNorm: 2,
  noiseMultiplier: 1.5,
  noise: 'rounded-gaussian',
  samplingRate: 0.05,
  localSteps: 2,
  expectedBatchSize: 8,
  learningRate: 0.5,
  targetDelta: 1e-5,
  localMetricsNoiseMultiplier: null,
};

/** The same without protection. */
export const unprotectedPlan: PrivacyPlan = { ...examplePlan, unit: 'none', noiseMultiplier: 0 };

/** Adds nothing, and keeps what it was asked for. */
export function silentNoise(): { noise: NoiseSource; asked: number[] } {
  const asked: number[] = [];
  return { noise: scriptedNoise((_, stdDev) => void asked.push(stdDev)), asked };
}

/** Fails when it is asked for noise. */
export const forbiddenNoise: NoiseSource = scriptedNoise(() => {
  throw new Error('no noise was expected');
});
