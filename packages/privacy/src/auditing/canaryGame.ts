import { clopperPearsonUpper } from './clopperPearson.ts';
import { EPSILONS } from './tradeOffCurve.ts';
import type { TradeOffCurve } from './tradeOffCurve.ts';

/** Scores of independent games "is the canary in the data?"; high means present. */
export type CanaryScores = { present: readonly number[]; absent: readonly number[] };

/** How well one threshold tells present from absent canaries. */
export type ErrorRates = {
  /** Scores over it are taken for "present". */
  threshold: number;
  falsePositiveRate: number;
  falseNegativeRate: number;
  /** Upper confidence bounds; all bounds of all thresholds hold together. */
  falsePositiveUpper: number;
  falseNegativeUpper: number;
};

/**
 * Error rates at thresholds that were fixed before the scores were seen, with confidence bounds (Clopper-Pearson, union
 * bound over all of them).
 * @param errorProbability in (0, 1): how often any of the bounds may be wrong
 * @throws {RangeError} no present or no absent canary
 */
export function errorRates(
  { present, absent }: CanaryScores,
  thresholds: readonly number[],
  errorProbability: number,
): ErrorRates[] {
  if (present.length === 0 || absent.length === 0) {
    throw new RangeError(
      `expected present and absent canaries, got ${present.length} and ${absent.length}; use more canaries`,
    );
  }
  const each = errorProbability / (2 * thresholds.length);
  return thresholds.map((threshold) => {
    const falsePositives = absent.filter((score) => score > threshold).length;
    const falseNegatives = present.filter((score) => score <= threshold).length;
    return {
      threshold,
      falsePositiveRate: falsePositives / absent.length,
      falseNegativeRate: falseNegatives / present.length,
      falsePositiveUpper: clopperPearsonUpper(falsePositives, absent.length, each),
      falseNegativeUpper: clopperPearsonUpper(falseNegatives, present.length, each),
    };
  });
}

/** The rates that lie furthest below the curve, even at their upper bounds; null when none does. */
export function refutation(rates: readonly ErrorRates[], curve: TradeOffCurve): ErrorRates | null {
  let worst: ErrorRates | null = null;
  let largestGap = 0;
  for (const rate of rates) {
    const gap = curve.leastFalseNegativeRate(rate.falsePositiveUpper) - rate.falseNegativeUpper;
    if (gap > largestGap) [worst, largestGap] = [rate, gap];
  }
  return worst;
}

/**
 * Epsilon that the mechanism has at least at this delta, whatever its mechanism is: from
 * 1 − falseNegativeRate ≤ e^epsilon·falsePositiveRate + delta and its mirror image (Kairouz, Oh, Viswanath 2015,
 * Theorem 2.1). It holds without a model of the noise, and is weak: n canaries can show no more than about log n.
 * @returns ≥ 0
 */
export function plainEpsilonBound(rates: readonly ErrorRates[], delta: number): number {
  return rates.reduce((bound, { falsePositiveUpper, falseNegativeUpper }) => {
    const removed = Math.log((1 - delta - falseNegativeUpper) / falsePositiveUpper);
    const added = Math.log((1 - delta - falsePositiveUpper) / falseNegativeUpper);
    return Math.max(bound, removed || 0, added || 0); // NaN: a logarithm of less than nothing
  }, 0);
}

/**
 * Whether the rates contradict an event, as `refutation` does, but asking for delta only where that can show anything.
 * @param delta the event's delta at an epsilon ≥ 0, or more
 */
export function contradicts(rates: readonly ErrorRates[], delta: (epsilon: number) => number): boolean {
  return EPSILONS.some((epsilon) => {
    const ratio = Math.exp(epsilon);
    const demanded = rates.reduce((most, { falsePositiveUpper, falseNegativeUpper }) => {
      const removed = 1 - falseNegativeUpper - ratio * falsePositiveUpper;
      const added = 1 - falsePositiveUpper - ratio * falseNegativeUpper;
      return Math.max(most, removed, added);
    }, 0);
    return demanded > 0 && delta(epsilon) < demanded;
  });
}

/** An accountant takes a good part of a second for each noise multiplier. */
const SEARCH_PRECISION = 1.02;

/**
 * The noise multiplier that the mechanism has at most, if it is a sampled Gaussian mechanism of the claimed sampling rate
 * and steps: the smallest that the observation contradicts, to 2 %.
 * @param deltaFor what `soundDelta` gives for a noise multiplier
 * @param claimed  where the search starts
 * @returns null when nothing up to 64 times the claimed noise is contradicted
 */
export function noiseMultiplierUpper(
  rates: readonly ErrorRates[],
  deltaFor: (noiseMultiplier: number) => (epsilon: number) => number,
  claimed: number,
): number | null {
  const contradicted = (noiseMultiplier: number) => contradicts(rates, deltaFor(noiseMultiplier));
  let refuted = claimed;
  while (!contradicted(refuted)) {
    refuted *= 2;
    if (refuted > 64 * claimed) return null;
  }
  let possible = refuted / 2;
  while (contradicted(possible)) {
    refuted = possible;
    possible /= 2;
    if (possible < claimed / 64) return refuted;
  }
  while (refuted / possible > SEARCH_PRECISION) {
    const middle = Math.sqrt(refuted * possible);
    if (contradicted(middle)) refuted = middle;
    else possible = middle;
  }
  return refuted;
}
