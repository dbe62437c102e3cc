/**
 * Steps of the integer grid per clippingNorm: what leaves a clipped gradient and what noise is added to are whole
 * numbers of clippingNorm / 32,768. All sums of them are exact, so no rounding depends on other examples, and noise of
 * whole units hides them without low bits that tell inputs apart (Mironov 2012): which integers can come out does not
 * depend on the input, exactly with `discrete-gaussian`, up to a mass of 2e-28 a draw with `rounded-gaussian` (`noiseSource`).
 */
export const GRID_UNITS = 32_768;

/**
 * Most examples in one float32 sum on a device: 512 · 32,768 = 2^24, up to which float32 holds every integer. Partial
 * sums, in any order, are at most that large too.
 */
export const MAX_MICRO_BATCH_SIZE = 512;

/**
 * Rounds each value toward zero to the grid, which never makes an L2 norm larger.
 * @param values finite
 * @param scale  units of the grid per unit of the values, over 0
 * @returns integers
 */
export function truncateToGrid(values: Float64Array, scale: number): Float64Array {
  return values.map((value) => Math.trunc(value * scale));
}

/** Index of the first value that is not an integer held exactly, or -1. */
export function findNonInteger(values: Float64Array): number {
  return values.findIndex((value) => !Number.isSafeInteger(value));
}
