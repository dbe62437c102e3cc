import type { Compute } from '@chorale/compute';
import type { StrategyName, TrainedRange } from '@chorale/lora';
import { TINY_WORDS, tinyModel } from '@chorale/model/testing/tinyModel';
import type { PrivacyPlan } from '@chorale/privacy';
import { mechanismOf } from '@chorale/privacy';
import type { RunConfig } from '@chorale/protocol';
import { randomValues } from '@chorale/testing/randomValues';
import { seededRandom } from '@chorale/testing/seededRandom';
import { sumGradients } from '../clientUpdate.ts';
import { privacyPlanOf } from '../privacyPlan.ts';
import type { Example } from '../sequenceClassifier.ts';
import { SequenceClassifier } from '../sequenceClassifier.ts';
import { tinyRun } from './tinyRun.ts';

/** Two padded lengths, 16 and 24: an example must not take the other's when they meet. */
export function twoBuckets(strategy: StrategyName = 'ffa-lora'): RunConfig {
  const base = tinyRun();
  return tinyRun({
    task: {
      type: 'sequence-classification',
      labels: ['bad', 'good', 'so-so'],
      maxTokens: 24,
      pooling: 'mean',
    },
    adapter: { ...base.adapter, targetModules: [...base.adapter.targetModules], strategy },
  });
}

/** Uniform numbers in [0, 1) that can be repeated. */
export function seededNumbers(seed: number): () => number {
  const { fill } = seededRandom(seed);
  const word = new Uint32Array(1);
  return () => {
    fill(new Uint8Array(word.buffer));
    return word[0]! / 2 ** 32;
  };
}

/** Examples of random tokens, labels and lengths from 3 to maxTokens. */
export function randomExamples(
  count: number,
  seed: number,
  { maxTokens = 24, vocabulary = 4 + TINY_WORDS.length, classCount = 3 } = {},
): Example[] {
  const next = seededNumbers(seed);
  const below = (limit: number) => Math.floor(limit * next());
  return Array.from({ length: count }, () => ({
    sequence: sequenceOf(Uint32Array.from({ length: 3 + below(maxTokens - 2) }, () => below(vocabulary))),
    label: below(classCount),
  }));
}

/** Token ids of one text. */
export function sequenceOf(ids: Uint32Array): Example['sequence'] {
  return { ids, typeIds: new Uint8Array(ids.length) };
}

/** A model on one device with parameters, of which one range is trained. */
export type TrainedModel = {
  classifier: SequenceClassifier;
  parameters: Float32Array;
  range: TrainedRange;
};

/** A strategy, and which of its ranges a round trains. */
export type Turn = readonly [StrategyName, number];

/** What a round of the strategies trains: B; A and B; and each of the two alone. */
export const TURNS: readonly Turn[] = [
  ['ffa-lora', 0],
  ['lora', 0],
  ['rolora', 0],
  ['rolora', 1],
];

/**
 * A random tiny model with random parameters, away from zero, on one device.
 * @param turn which of the strategy's ranges is trained
 */
export function randomModel(
  compute: Compute,
  seed: number,
  [strategy, turn]: Turn = ['ffa-lora', 0],
): TrainedModel {
  const classifier = new SequenceClassifier(compute, tinyModel(seed), twoBuckets(strategy));
  const { parameterCount, trainedRanges } = classifier.layout;
  return { classifier, parameters: randomValues(parameterCount, seed, 0.7), range: trainedRanges[turn]! };
}

export function planOf(change: Partial<PrivacyPlan> = {}): PrivacyPlan {
  return { ...privacyPlanOf({ config: twoBuckets(), noiseMultiplier: 1 }), ...change };
}

/** The sum that goes into a step, for one set of examples after the other: what `sumGradients` says, in grid units. */
export function gridSums(
  compute: Compute,
  { classifier, parameters, range }: TrainedModel,
  change: Partial<PrivacyPlan>,
): (batch: readonly Example[], microBatchSize: number) => Promise<Float64Array> {
  const mechanism = mechanismOf(planOf(change));
  return (batch, microBatchSize) =>
    compute.guard(() =>
      sumGradients(parameters, batch, mechanism, { compute, classifier, range, microBatchSize }),
    );
}

/** One row of the gradients of a device step, bit by bit. */
export async function gradientRow(
  compute: Compute,
  { classifier, parameters, range }: TrainedModel,
  batch: readonly Example[],
  { place, rowCount }: { place: number; rowCount: number },
): Promise<Uint32Array> {
  const { ops } = compute;
  const count = range.end - range.start;
  const { gradients, losses } = classifier.exampleGradients(parameters, batch, rowCount, range);
  const values = await ops.read(gradients);
  ops.dispose([gradients, losses]);
  return new Uint32Array(values.slice(place * count, (place + 1) * count).buffer);
}
