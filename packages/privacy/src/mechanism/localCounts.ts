import { mechanismOf } from './mechanism.ts';
import { requireNoise } from './noiseSource.ts';
import type { NoiseSource } from './noiseSource.ts';
import type { PrivacyPlan } from './plan.ts';
import { markPrivatized } from './privatized.ts';
import type { Privatized } from './privatized.ts';

/** How many of a tab's own rows the global adapter gets right, and of how many. */
export type LocalCounts = { correct: number; rows: number };

/**
 * The two counts as they may leave the tab: integers, each with noise of `localMetricsNoiseMultiplier` times their common
 * sensitivity sqrt(2). They may come out negative, and correct over rows; whoever averages them needs that.
 *
 * Guarantee: each call is one Gaussian mechanism; the plan's `roundEvent` holds one beside the update's.
 * @param counts integers, 0 ≤ correct ≤ rows; not changed
 * @throws {TypeError} the noise is none that `noiseSource` made
 * @throws {RangeError} the plan asks for no counts or is out of range, the noise is of another kind, or the counts are none
 */
export function noisyLocalCounts(
  plan: PrivacyPlan,
  { correct, rows }: LocalCounts,
  noise: NoiseSource,
): Privatized<LocalCounts> {
  const { localCounts } = mechanismOf(plan);
  if (localCounts === null) {
    throw new RangeError('the plan asks for no local counts: its localMetricsNoiseMultiplier is null');
  }
  requireNoise(noise, plan.noise);
  if (!(Number.isSafeInteger(rows) && Number.isSafeInteger(correct) && 0 <= correct && correct <= rows)) {
    throw new RangeError(`expected integers 0 ≤ correct ≤ rows, got ${correct} and ${rows}`);
  }
  const noisy = Float64Array.of(correct, rows);
  noise.addNoise(noisy, localCounts.noiseStdDev);
  return markPrivatized({ correct: noisy[0]!, rows: noisy[1]! }, localCounts.event);
}
