import type { Compute } from '@chorale/compute';
import type { PrivacyPlan, RandomSource } from '@chorale/privacy';
import { seededNoiseSource } from '@chorale/privacy/simulation';
import type { Binding } from '@chorale/protocol';
import { decodeUpdate, encodeUpdate, trainedRangeOf } from '@chorale/protocol';
import { computeClientUpdate } from '../clientUpdate.ts';
import { MICRO_BATCH_SIZE } from '../microBatches.ts';
import { CanaryGradients } from './canaryGradients.ts';

/**
 * Canaries in one training. A gradient is as long as they are many, so many trainings of few cost less than one of all of
 * them, down to where a micro-batch is no longer full.
 */
export function canariesPerTraining({ samplingRate }: PrivacyPlan): number {
  const drawingTwoMicroBatches = (2 * 2 * MICRO_BATCH_SIZE) / samplingRate; // half of the canaries are in the data
  return Math.round(Math.min(512, Math.max(64, drawingTwoMicroBatches)));
}

/** Parameters that a round does not train. */
const UNTRAINED = 3;

/** Well over every clippingNorm, and over the constant 0.01 of automatic clipping. */
const gradientNormFor = (clippingNorm: number) => 10 * Math.max(clippingNorm, 10);

export type CanaryTraining = {
  compute: Compute;
  plan: PrivacyPlan;
  /** Canaries of this training, one coordinate each. */
  canaries: number;
  /** Rounds, each of plan.localSteps steps, each releasing one update. */
  releases: number;
  /** Coins of the canaries, of the Poisson samples and of the noise: `webCryptoRandom` outside tests. */
  random: RandomSource;
  /** Unit of the observations: the clippingNorm that is claimed. */
  unit: number;
};

/**
 * One training on a data set of canaries, each in it with probability 1/2, through the real `computeClientUpdate` and the
 * real codec.
 * @param onRelease gets what each release shows: per coordinate how often its canary was drawn, plus noise, in units of
 *   `unit`; shape [canaries]. The array is its own.
 * @returns which canaries were in the data, shape [canaries]
 */
export async function trainOnCanaries(
  training: CanaryTraining,
  onRelease: (observations: Float64Array) => void,
): Promise<boolean[]> {
  const { compute, plan, canaries, releases, random, unit } = training;
  const present = fairCoins(canaries, random);
  const examples = present.flatMap((isIn, i) => (isIn ? [CanaryGradients.example(i)] : []));
  // Two ranges that take turns, as a strategy's that trains one factor at a time; the canaries are in both
  const trainedRanges = [0, UNTRAINED].map((start) => ({ start, end: start + canaries }));
  const parameterCount = canaries + UNTRAINED;
  const hash = '00'.repeat(32);
  const binding: Binding = {
    planHash: hash,
    basisHash: hash,
    parameterCount,
    tensors: [{ name: 'canaries', count: parameterCount }],
    trainedRanges,
    encoding: 'f32',
  };
  const options = {
    compute,
    classifier: new CanaryGradients(compute, gradientNormFor(plan.clippingNorm)),
    examples,
    plan,
    random,
    noise: seededNoiseSource(plan.noise, random),
  };
  const start = new Float32Array(parameterCount);
  const perCanary = plan.expectedBatchSize / (plan.learningRate * unit);
  for (let round = 1; round <= releases; round++) {
    const update = await computeClientUpdate(start, {
      ...options,
      range: trainedRangeOf(binding, round),
    });
    const { values } = decodeUpdate(encodeUpdate(update, round, binding), binding);
    onRelease(Float64Array.from(values, (value) => value * perCanary));
  }
  return present;
}

function fairCoins(count: number, random: RandomSource): boolean[] {
  return Array.from(filled(new Uint8Array(count), random), (byte) => (byte & 1) === 1);
}

function filled(bytes: Uint8Array, random: RandomSource): Uint8Array {
  random.fill(bytes);
  return bytes;
}
