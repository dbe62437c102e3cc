import { bucketLength } from '@chorale/model';
import { MAX_MICRO_BATCH_SIZE } from '@chorale/privacy';
import type { Example } from './sequenceClassifier.ts';

/** Examples per device step: a fixed shape, so that the drawn batch size never shows in a kernel's shape. */
export const MICRO_BATCH_SIZE = 16;

/**
 * Cuts examples into device steps in which all have the same padded length, short ones first. An example is then always
 * computed in the same shape, [size, its own padded length], whoever is beside it: kernels round a row the same whatever
 * the other rows hold, but not for every shape.
 * @param size an integer from 1 to 512
 * @returns parts of 1 to `size` examples; the caller pads each to `size` rows
 * @throws {RangeError} size is out of its range
 */
export function microBatches(examples: readonly Example[], size: number): Example[][] {
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_MICRO_BATCH_SIZE) {
    throw new RangeError(
      `microBatchSize must be an integer from 1 to ${MAX_MICRO_BATCH_SIZE}, up to which sums of grid units are exact; ` +
        `got ${size}`,
    );
  }
  const groups = new Map<number, Example[]>();
  for (const example of examples.toSorted((a, b) => a.sequence.ids.length - b.sequence.ids.length)) {
    // maxTokens, which the classifier also cuts buckets to, can only join the two longest groups
    const length = bucketLength(example.sequence.ids.length, Infinity);
    const group = groups.get(length);
    if (group) group.push(example);
    else groups.set(length, [example]);
  }
  return [...groups.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / size) }, (_, i) => group.slice(i * size, (i + 1) * size)),
  );
}
