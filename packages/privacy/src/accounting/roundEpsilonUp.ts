/**
 * An epsilon as people may read it: rounded up, so that no one is told less than was spent.
 * @param epsilon ≥ 0 or Infinity
 * @param digits  decimal places, an integer from 0 to 12
 * @throws {RangeError} an argument is out of its range
 */
export function roundEpsilonUp(epsilon: number, digits = 3): number {
  if (!(epsilon >= 0)) throw new RangeError(`epsilon must be at least 0, got ${epsilon}`);
  if (!Number.isInteger(digits) || digits < 0 || digits > 12) {
    throw new RangeError(`digits must be an integer from 0 to 12, got ${digits}`);
  }
  const scale = 10 ** digits;
  const units = Math.ceil(epsilon * scale);
  if (!Number.isSafeInteger(units)) return epsilon; // Infinity, or so large that it has no such decimal places
  // The product may have been rounded across a whole number, either way.
  if ((units - 1) / scale >= epsilon) return (units - 1) / scale;
  return units / scale >= epsilon ? units / scale : (units + 1) / scale;
}
