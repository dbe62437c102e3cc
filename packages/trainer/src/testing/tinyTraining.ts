import type { Compute } from '@chorale/compute';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import type { NoiseSource, PrivacyPlan, RandomSource } from '@chorale/privacy';
import { scriptedNoise } from '@chorale/privacy/testing/scriptedNoise';
import { randomValues } from '@chorale/testing/randomValues';
import type { ClientUpdateOptions } from '../clientUpdate.ts';
import { privacyPlanOf } from '../privacyPlan.ts';
import type { Example } from '../sequenceClassifier.ts';
import { SequenceClassifier } from '../sequenceClassifier.ts';
import { TINY_TEXTS, tinyRun } from './tinyRun.ts';

/** A word of the tiny model whose embedding overflows float32 in the first layer norm: its gradient is NaN. */
export const POISONED_WORD = 'actor';
const POISONED_ID = 15;

/** Everything `computeClientUpdate` takes, on the tiny model, with parameters away from zero. */
export function tinyTraining(
  compute: Compute,
  change: Partial<PrivacyPlan> & { poisoned?: boolean } = {},
): { options: ClientUpdateOptions; parameters: Float32Array; classifier: SequenceClassifier } {
  const { poisoned = false, ...planChange } = change;
  const files = tinyModel(1, (weights) => {
    const { shape, values } = weights.get('bert.embeddings.word_embeddings.weight')!;
    if (poisoned) values.fill(3.4e38, POISONED_ID * shape[1]!, (POISONED_ID + 1) * shape[1]!);
    // One of the other sign: its distance from the mean is over float32 on every backend, however the mean is summed
    if (poisoned) values[POISONED_ID * shape[1]!] = -3.4e38;
  });
  const config = tinyRun();
  const classifier = new SequenceClassifier(compute, files, config);
  const examples = TINY_TEXTS.map((text, i): Example => ({
    sequence: classifier.encode(text, null).sequence,
    label: i % 2,
  }));
  return {
    classifier,
    parameters: randomValues(classifier.layout.parameterCount, 11, 0.7),
    options: {
      compute,
      classifier,
      examples,
      range: classifier.layout.trainedRanges[0]!,
      plan: { ...privacyPlanOf({ config, noiseMultiplier: 1 }), ...planChange },
      random: everyone,
      noise: silence,
    },
  };
}

/** Coins that let every example in: uniforms near zero. */
export const everyone: RandomSource = {
  fill(bytes) {
    bytes.fill(0);
    // Not all zero: an all-zero draw is thrown again
    for (let i = 4; i < bytes.length; i += 8) bytes[i] = 0xff;
  },
};

/** Coins that let nobody in: uniforms near one. */
export const nobody: RandomSource = { fill: (bytes) => void bytes.fill(0xff) };

/** No noise. */
export const silence: NoiseSource = scriptedNoise(() => {});

export function norm(values: Float32Array | Float64Array): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}
