import type { Compute } from '@chorale/compute';
import { bucketLength } from '@chorale/model';
import { expect } from 'vitest';
import type { Example } from '../sequenceClassifier.ts';
import type { TrainedModel } from './randomTraining.ts';
import { gradientRow, seededNumbers } from './randomTraining.ts';

/**
 * Checks, bit by bit, that an example's gradient row does not change with its place in the device step and with who is
 * beside it, as long as the shape stays: the ground on which the sensitivity of integer sums rests.
 * @param examples at least a few of each padded length
 * @returns rows compared
 */
export async function checkRowsStandAlone(
  compute: Compute,
  model: TrainedModel,
  examples: readonly Example[],
  { rowCounts, trials }: { rowCounts: readonly number[]; trials: number },
): Promise<number> {
  const next = seededNumbers(1);
  const below = (limit: number) => Math.floor(limit * next());
  let compared = 0;
  for (const rowCount of rowCounts) {
    for (let trial = 0; trial < trials; trial++) {
      const one = examples[below(examples.length)]!;
      const length = bucketLength(one.sequence.ids.length, Infinity);
      const others = examples.filter(
        ({ sequence }) => sequence !== one.sequence && bucketLength(sequence.ids.length, Infinity) === length,
      );
      const alone = await gradientRow(compute, model, [one], { place: 0, rowCount });
      expect(alone.some((bits) => bits << 1 !== 0)).toBe(true);
      const place = below(rowCount);
      const size = place + 1 + below(rowCount - place);
      const batch = Array.from({ length: size }, (_, i) =>
        i === place ? one : others[below(others.length)]!,
      );
      const among = await gradientRow(compute, model, batch, { place, rowCount });
      // Not toEqual on the arrays: a difference would print all of them. The sign of a zero does not matter.
      const different = among.filter((bits, i) => bits !== alone[i] && (bits | alone[i]!) << 1 !== 0).length;
      expect({ rowCount, place, size, different }).toEqual({ rowCount, place, size, different: 0 });
      compared += 1;
    }
  }
  return compared;
}
