import type { Compute } from '@chorale/compute';
import type { LocalCounts } from '@chorale/privacy';
import { MICRO_BATCH_SIZE, microBatches } from './microBatches.ts';
import type { Example } from './sequenceClassifier.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';

/**
 * How many of a tab's own rows the adapter gets right, and of how many. Whether one row counts depends on it and on the
 * parameters alone: each is computed in the same shape whoever is beside it, and beside nobody when a score is not finite
 * (which on WebGPU spreads to others). So zeroing one out moves each of the two counts by at most 1. Every step runs under
 * the device guard.
 *
 * Not private: the counts must go through `noisyLocalCounts` and nowhere else.
 * @param parameters the global adapter, [parameterCount]
 * @param options.microBatchSize examples a device step computes, an integer from 1 to 512
 * @throws {DeviceError} the device failed
 * @throws {RangeError} microBatchSize is out of its range
 */
export async function countCorrect(
  parameters: Float32Array,
  examples: readonly Example[],
  {
    compute,
    classifier,
    microBatchSize = MICRO_BATCH_SIZE,
  }: { compute: Compute; classifier: SequenceClassifier; microBatchSize?: number },
): Promise<LocalCounts> {
  const scoresOf = (part: readonly Example[]) =>
    compute.guard(() =>
      classifier.logits(
        parameters,
        part.map((example) => example.sequence),
        microBatchSize,
      ),
    );
  let correct = 0;
  for (const part of microBatches(examples, microBatchSize)) {
    const together = await scoresOf(part);
    if (together.every(Number.isFinite)) correct += countRight(part, together);
    else for (const example of part) correct += countRight([example], await scoresOf([example]));
  }
  return { correct, rows: examples.length };
}

function countRight(part: readonly Example[], scores: Float32Array): number {
  const classCount = scores.length / part.length;
  return part.filter(
    ({ label }, i) =>
      SequenceClassifier.bestClass(scores.subarray(i * classCount, (i + 1) * classCount)) === label,
  ).length;
}
