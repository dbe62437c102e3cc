/**
 * Below this, squares of a gradient's elements may vanish in float32 (a GPU may flush what is under 1.2e-38 to zero) and
 * make a norm too small by more than the margin of `clipFactor`: for 10 million elements they are at most 1.2e-31, which is
 * 1e-7 of C².
 */
const SMALLEST = 1e-12;

/** Its square, 1e24, and a change with the largest noise that is allowed stay well inside of float32. */
const LARGEST = 1e12;

/** @throws {RangeError} clippingNorm is not from 1e-12 to 1e12 */
export function checkClippingNorm(clippingNorm: number): void {
  if (!(clippingNorm >= SMALLEST && clippingNorm <= LARGEST)) {
    throw new RangeError(`clippingNorm must be a number from ${SMALLEST} to ${LARGEST}, got ${clippingNorm}`);
  }
}
