/**
 * Largest |actual - expected|, over the largest |expected|: one number for a whole tensor, in which elements near zero
 * do not count more than the arithmetic allows.
 * @returns NaN when a value is NaN; the largest |actual| when expected is zero everywhere
 * @throws {Error} different lengths, or nothing to compare
 */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || expected.length === 0) {
    throw new Error(`expected ${expected.length} values (at least one), got ${actual.length}`);
  }
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const step = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(step)) return NaN;
    difference = Math.max(difference, step);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return largest === 0 ? difference : difference / largest;
}

/**
 * Compares a tensor with what it should be.
 * @param tolerance bound on `relativeDifference`
 * @param what      names the tensor in the error
 * @returns the difference found
 * @throws {Error} it is over the tolerance, or NaN
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'values',
): number {
  const difference = relativeDifference(actual, expected);
  if (difference <= tolerance) return difference;
  const start = (values: ArrayLike<number>) =>
    Array.from({ length: Math.min(8, values.length) }, (_, i) => values[i]);
  throw new Error(
    `${what}: relative difference ${difference}, expected at most ${tolerance}; ` +
      `got ${start(actual).join(', ')} … instead of ${start(expected).join(', ')} …`,
  );
}
