/** The largest finite float32. */
export const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/**
 * The same number, or the largest float32 of its sign where it is beyond; NaN stays. After the noise this is what is done
 * to numbers that are too large: an error there would be a release, one that depends on data and that nobody accounts.
 */
export function saturate(value: number): number {
  return Math.min(Math.max(value, -LARGEST_FLOAT32), LARGEST_FLOAT32);
}
