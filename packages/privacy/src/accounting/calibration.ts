import { rdpEpsilon } from './rdpAccountant.ts';

/** What a run should cost a tab that takes part in all of it. */
export type CalibrationTarget = {
  /** > 0 */
  targetEpsilon: number;
  /** In (0, 1). */
  targetDelta: number;
  /** Poisson inclusion probability, in (0, 1]. */
  samplingRate: number;
  /** All noised steps of the run: rounds × localSteps; an integer ≥ 1. */
  steps: number;
};

const GRID = 10_000; // results are multiples of 1e-4
const SMALLEST = 0.01 * GRID;
const LARGEST = 1e6 * GRID;

/**
 * Smallest noise multiplier, in steps of 1e-4, whose epsilon by `rdpEpsilon` is at most the target.
 * @returns at least 0.01 (where epsilon is in the thousands)
 * @throws {RangeError} an argument is out of its range, or no noise multiplier up to 1e6 reaches the target: Rényi
 * accounting over our orders has a floor of about 0.004 at delta 1e-5
 */
export function noiseMultiplierFor(target: CalibrationTarget): number {
  const { targetEpsilon, targetDelta, samplingRate, steps } = target;
  if (!(targetEpsilon > 0 && targetEpsilon < Infinity)) {
    throw new RangeError(`targetEpsilon must be a finite number over 0, got ${targetEpsilon}`);
  }
  if (!Number.isSafeInteger(steps) || steps < 1) {
    throw new RangeError(`steps must be an integer of at least 1, got ${steps}`);
  }
  const reaches = (gridSteps: number) =>
    rdpEpsilon(
      {
        type: 'self-composed',
        event: {
          type: 'poisson-sampled-gaussian',
          privacyUnit: 'example',
          neighbouringRelation: 'zero-out',
          samplingRate,
          noiseMultiplier: gridSteps / GRID,
        },
        count: steps,
      },
      targetDelta,
    ) <= targetEpsilon;

  if (reaches(SMALLEST)) return SMALLEST / GRID;
  let tooSmall = SMALLEST;
  let enough = GRID;
  while (!reaches(enough)) {
    tooSmall = enough;
    enough *= 2;
    if (enough > LARGEST) {
      throw new RangeError(
        `no noiseMultiplier up to ${LARGEST / GRID} reaches targetEpsilon ${targetEpsilon} at targetDelta ${targetDelta} ` +
          `in ${steps} steps; choose a larger epsilon or fewer steps`,
      );
    }
  }
  while (enough - tooSmall > 1) {
    const middle = Math.floor((tooSmall + enough) / 2);
    if (reaches(middle)) enough = middle;
    else tooSmall = middle;
  }
  return enough / GRID;
}
