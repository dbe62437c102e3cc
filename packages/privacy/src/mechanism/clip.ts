import { checkClippingNorm } from './clippingNorm.ts';
import type { ClippingRule } from './plan.ts';

/**
 * The device sums a squared norm in float32, with a relative error of the norm up to 2.4e-5 (`squaredNorms` in
 * packages/compute), and scales by a factor in float32; clipping to slightly less than C keeps the true norm under C.
 */
const FLOAT32_NORM_MARGIN = 1e-4;

/** The stability constant of automatic clipping, unit of the clipped value; as in Bu et al. 2022. */
const AUTOMATIC_CLIPPING_GAMMA = 0.01;

/**
 * The factor that brings one value to an L2 norm of at most `clippingNorm`, with C' = C(1 − 1e-4):
 * `flat`: min(1, C'/norm) (Abadi et al. 2016, Algorithm 1); `automatic`: C'/(norm + 0.01), which gives every value about
 * the norm C' (Bu et al. 2022, arXiv 2206.07136, AUTO-S).
 *
 * A norm that is not finite gives 0: the value is dropped, and the sensitivity stays C, for dropping depends on that
 * value alone.
 * @param squaredNorm  squared L2 norm, as a device or a CPU computed it
 * @param clippingNorm C, from 1e-12 to 1e12, unit of the value
 * @returns ≥ 0; under `flat` at most 1
 * @throws {RangeError} clippingNorm is not from 1e-12 to 1e12
 */
export function clipFactor(squaredNorm: number, clippingNorm: number, rule: ClippingRule): number {
  checkClippingNorm(clippingNorm);
  const bound = clippingNorm * (1 - FLOAT32_NORM_MARGIN);
  const norm = Math.sqrt(squaredNorm); // NaN for a negative square, which no correct kernel returns
  if (!Number.isFinite(norm)) return 0;
  return rule === 'flat'
    ? Math.min(1, bound / norm) // norm 0: bound/0 = Infinity, factor 1
    : bound / (norm + AUTOMATIC_CLIPPING_GAMMA);
}

/**
 * `clipFactor` of each example. The test for what is not finite runs here, on the CPU, because WGSL lets an
 * implementation assume that NaN and infinity never occur and `x != x` is optimised away. The caller must remove such an
 * example with a select or mask before the sum; multiplying by this 0 is not enough, since NaN·0 is NaN.
 * @param squaredNorms squared L2 norm of each example's gradient, shape [examples]; not changed
 * @returns shape [examples]
 * @throws {RangeError} clippingNorm is not from 1e-12 to 1e12
 */
export function clipFactors(
  squaredNorms: Float32Array,
  clippingNorm: number,
  rule: ClippingRule,
): Float32Array {
  checkClippingNorm(clippingNorm); // also when there is no example
  return squaredNorms.map((squared) => clipFactor(squared, clippingNorm, rule));
}
