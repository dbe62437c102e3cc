/**
 * The GPU sums a squared norm in float32, with a relative error up to about 1e-5 of the norm; clipping to slightly
 * less than C keeps the true norm under C.
 */
const FLOAT32_NORM_MARGIN = 1e-4;

/** Below this, squares of a gradient's elements may vanish in float32 and a norm over C could pass as 0. */
const SMALLEST_CLIPPING_NORM = 1e-15;

/**
 * Factors that bring per-example gradients to an L2 norm of at most `clippingNorm` (flat clipping over all trained
 * parameters; Abadi et al. 2016, Algorithm 1).
 *
 * An example whose norm is not finite gets 0: it is dropped. This test runs here, on the CPU, because WGSL lets an
 * implementation assume that NaN and infinity never occur and `x != x` is optimised away. The caller must remove such
 * an example with a select or mask before the sum; multiplying by this 0 is not enough, since NaN·0 is NaN.
 * Dropping depends on that one example alone, so the sensitivity stays C.
 * @param squaredNorms squared L2 norm of each example's gradient, shape [examples]
 * @param clippingNorm C ≥ 1e-15, unit of the gradient
 * @returns shape [examples], each in [0, 1]: min(1, C(1 − 1e-4)/norm), or 0 for a norm that is not finite
 * @throws {RangeError} clippingNorm is not a finite number of at least 1e-15
 */
export function clipFactors(squaredNorms: Float32Array, clippingNorm: number): Float32Array {
  if (!(clippingNorm >= SMALLEST_CLIPPING_NORM && clippingNorm < Infinity)) {
    throw new RangeError(
      `clippingNorm must be a finite number of at least ${SMALLEST_CLIPPING_NORM}, got ${clippingNorm}`,
    );
  }
  const bound = clippingNorm * (1 - FLOAT32_NORM_MARGIN);
  return squaredNorms.map((squared) => {
    const norm = Math.sqrt(squared); // NaN for a negative square, which no correct kernel returns
    return Number.isFinite(norm) ? Math.min(1, bound / norm) : 0; // norm 0: bound/0 = Infinity, factor 1
  });
}
