import type { RunConfig } from '@chorale/protocol';
import { ExactSum } from './exactSum.ts';
import { TrimmedMean } from './trimmedMean.ts';

/** What a config leaves out at each end when it names no trimFraction. */
const DEFAULT_TRIM_FRACTION = 0.1;

/** One round's updates becoming one, as they come; the result does not depend on their order. */
export type RoundAggregate = {
  /**
   * Adds the values of one accepted update; it is the caller's matter that it is one a contributor.
   * @param values shape [valueCount], from -2^20 to 2^20 (`decodeUpdate` lets nothing beyond 1e6 through); not kept, not
   *   changed
   * @throws {RangeError} another shape or more than 2^20 updates: nothing was added; other values: the aggregate is lost
   */
  add(values: Float32Array): void;
  /** Number of updates added. */
  readonly count: number;
  /**
   * The mean update by the run's rule. Adding may go on.
   * @returns shape [valueCount]
   * @throws {RangeError} nothing was added
   */
  finish(): Float64Array;
  /**
   * The same, bit by bit, with pauses where it takes long: each step is some ten milliseconds at most. A rule that streams
   * makes none. Nothing may be added before it ends.
   */
  finishInSteps(): Generator<undefined, Float64Array, undefined>;
};

/** @param valueCount values of an update of this round: what it trains */
export function openAggregate(
  aggregation: Pick<RunConfig['aggregation'], 'rule' | 'trimFraction'>,
  valueCount: number,
): RoundAggregate {
  const { rule, trimFraction = DEFAULT_TRIM_FRACTION } = aggregation;
  const vectors = rule === 'mean' ? new ExactSum(valueCount) : new TrimmedMean(valueCount, trimFraction);
  function* finishInSteps(): Generator<undefined, Float64Array, undefined> {
    return vectors instanceof TrimmedMean ? yield* vectors.meanInSteps() : vectors.mean();
  }
  return {
    add: (values) => vectors.add(values),
    get count() {
      return vectors.count;
    },
    finish: () => vectors.mean(),
    finishInSteps,
  };
}

/** Whether `openAggregate`'s memory is the same for any number of updates. */
export function streams({ rule }: Pick<RunConfig['aggregation'], 'rule'>): boolean {
  return rule === 'mean';
}
