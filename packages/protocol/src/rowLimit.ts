import type { RunConfig } from './runConfig.ts';

/** A tab's mean batch is at most so many times the run's expectedBatchSize. */
export const LARGEST_BATCH_FACTOR = 4;

/**
 * The most rows a tab trains on: with more, its clipped gradients could add up to a norm that the server takes for
 * dishonest. A tab keeps to it by place: it looks at the first so many rows of its file, usable or not, and at no other.
 * Taking the first so many usable ones would let a row in where another is left empty: neighbouring data sets would
 * then differ in two rows, and the noise is for one.
 * @returns a whole number of rows, at least 1
 */
export function rowLimit({
  training,
}: {
  training: Pick<RunConfig['training'], 'expectedBatchSize' | 'samplingRate'>;
}): number {
  return Math.max(1, Math.floor((LARGEST_BATCH_FACTOR * training.expectedBatchSize) / training.samplingRate));
}
