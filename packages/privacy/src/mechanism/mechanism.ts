import type { DpEvent, GaussianEvent } from '../events.ts';
import { clipFactors } from './clip.ts';
import { GRID_UNITS } from './grid.ts';
import { checkNoiseStdDev } from './integerNoise.ts';
import { checkPrivacyPlan, roundEvent, sensitivityOf } from './plan.ts';
import type { PrivacyPlan } from './plan.ts';

/**
 * What one plan means for the arithmetic of a round. Clip bound, grid, noise and event are made here and nowhere else,
 * all from the same plan, so that they cannot drift apart.
 */
export type Mechanism = {
  readonly plan: Readonly<PrivacyPlan>;
  /**
   * `grid`: gradients are clipped and truncated to integers one by one, and summed exactly; `plain`: they are summed in
   * floating point as they are, for what is released is bounded later (unit `contributor`) or not at all (`none`).
   */
  readonly gradientSums: 'grid' | 'plain';
  /** Length of one grid unit, unit of what is noised. */
  readonly gridStep: number;
  /** Noise on each coordinate in grid units; null for unit `none`. */
  readonly noiseStdDevUnits: number | null;
  /** What the update of one round releases. */
  readonly updateEvent: DpEvent;
  /** The counts a tab reports beside the update, if the plan asks for them; see `noisyLocalCounts`. */
  readonly localCounts: { readonly noiseStdDev: number; readonly event: GaussianEvent } | null;
  /**
   * What each example's gradient is multiplied by before it is truncated (`grid`) or just added (`plain`). 0 says that
   * the example must be masked, its gradient being no finite number.
   * @param squaredNorms shape [examples]; not changed
   * @returns shape [examples]; under `grid`, grid units per unit of the gradient
   */
  exampleFactors(squaredNorms: Float32Array): Float32Array;
};

/** Each count moves by at most 1 when one example is zeroed out: together by sqrt(1² + 1²). */
const LOCAL_COUNTS_SENSITIVITY = Math.SQRT2;

/** @throws {RangeError} the plan is out of range, or its noise too large for exact integers */
export function mechanismOf(plan: PrivacyPlan): Mechanism {
  checkPrivacyPlan(plan);
  const fixed = Object.freeze({ ...plan });
  const gridStep = fixed.clippingNorm / GRID_UNITS;
  // Not noiseStdDev/gridStep, which rounds and could push an integer over itself
  const unitsOf = (length: number) => (length / fixed.clippingNorm) * GRID_UNITS;
  const noiseStdDevUnits =
    fixed.unit === 'none' ? null : fixed.noiseMultiplier * unitsOf(sensitivityOf(fixed));
  if (noiseStdDevUnits !== null) checkNoiseStdDev(fixed.noise, noiseStdDevUnits);
  const gradientSums = fixed.unit === 'example' ? 'grid' : 'plain';
  return Object.freeze({
    plan: fixed,
    gradientSums,
    gridStep,
    noiseStdDevUnits,
    updateEvent: roundEvent({ ...fixed, localMetricsNoiseMultiplier: null }),
    localCounts: localCountsOf(fixed),
    exampleFactors(squaredNorms: Float32Array): Float32Array {
      if (gradientSums === 'plain') return squaredNorms.map((squared) => (Number.isFinite(squared) ? 1 : 0));
      const unitsPerLength = GRID_UNITS / fixed.clippingNorm;
      return clipFactors(squaredNorms, fixed.clippingNorm, fixed.clipping).map(
        (factor) => factor * unitsPerLength,
      );
    },
  });
}

function localCountsOf(plan: PrivacyPlan): Mechanism['localCounts'] {
  const noiseMultiplier = plan.localMetricsNoiseMultiplier;
  if (noiseMultiplier === null) return null;
  const stdDev = noiseMultiplier * LOCAL_COUNTS_SENSITIVITY;
  checkNoiseStdDev(plan.noise, stdDev);
  const event: GaussianEvent = {
    type: 'gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    noiseMultiplier,
  };
  return Object.freeze({ noiseStdDev: stdDev, event });
}
