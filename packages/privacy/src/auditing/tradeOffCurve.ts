/** 0, and 0.05 to 50 in steps of 15 %; finer ones would lift the curve by less than 0.01. */
export const EPSILONS: readonly number[] = [
  0,
  ...Array.from({ length: 50 }, (_, i) => 0.05 * 1000 ** (i / 49)),
];

/**
 * The best that anyone can do who tells "this example was there" from "it was not": the least false negative rate for
 * each false positive rate (Dong, Roth, Su 2019, Proposition 2.5, for both directions of neighbouring data):
 *
 *   f(a) = max over epsilon of 0, 1 − delta(epsilon) − e^epsilon·a, e^−epsilon·(1 − delta(epsilon) − a).
 *
 * The maximum is over finitely many epsilons, and an accountant's delta may be too large: both only lower the curve, so
 * that an observation below it contradicts the event.
 */
export class TradeOffCurve {
  readonly #lines: readonly { epsilon: number; kept: number }[];

  /** @param delta the event's delta at an epsilon ≥ 0, or more; see `soundDelta` */
  constructor(delta: (epsilon: number) => number) {
    this.#lines = EPSILONS.map((epsilon) => ({ epsilon, kept: 1 - delta(epsilon) }));
  }

  /**
   * @param falsePositiveRate in [0, 1]
   * @returns in [0, 1]
   */
  leastFalseNegativeRate(falsePositiveRate: number): number {
    return this.#lines.reduce((least, { epsilon, kept }) => {
      const removed = kept - Math.exp(epsilon) * falsePositiveRate;
      const added = Math.exp(-epsilon) * (kept - falsePositiveRate);
      return Math.max(least, removed, added);
    }, 0);
  }
}
