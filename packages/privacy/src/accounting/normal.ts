/*
 * The complementary error function and what follows from it, by Cody's rational approximations (W. J. Cody, "Rational
 * Chebyshev approximations for the error function", Math. Comp. 23, 1969; coefficients as in his netlib program CALERF).
 * JavaScript has none. Relative error below 1e-14, in the tails too (normal.test.ts).
 */

const INVERSE_SQRT_PI = 0.5641895835477563;

/** erf(x)/x in x² for |x| ≤ 0.46875, highest power first. */
const ERF_NUMERATOR = [
  0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694,
];
const ERF_DENOMINATOR = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171];

/** exp(x²)·erfc(x) in x for 0.46875 ≤ x ≤ 4. */
const MIDDLE_NUMERATOR = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001,
  881.952221241769, 1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
];
const MIDDLE_DENOMINATOR = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
];

/** x²(1/√π − x·exp(x²)·erfc(x)) in 1/x² for x > 4. */
const TAIL_NUMERATOR = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
  0.0006587491615298378,
];
const TAIL_DENOMINATOR = [
  1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
];

/**
 * exp(x²)·erfc(x), which neither underflows nor loses digits for large x.
 * @param x any number; below −26 the result is Infinity
 */
export function scaledErfc(x: number): number {
  if (x < 0.46875) return x < -26.6 ? Infinity : Math.exp(x * x) * erfc(x);
  if (x <= 4) return polynomial(MIDDLE_NUMERATOR, x) / polynomial(MIDDLE_DENOMINATOR, x);
  const y = 1 / (x * x);
  return (INVERSE_SQRT_PI - (y * polynomial(TAIL_NUMERATOR, y)) / polynomial(TAIL_DENOMINATOR, y)) / x;
}

/** erfc(x) = 1 − erf(x) for any x; 0 where it is below 1e-308. */
export function erfc(x: number): number {
  if (x < -0.46875) return 2 - erfc(-x);
  if (x > 27) return 0;
  if (x <= 0.46875) return 1 - (x * polynomial(ERF_NUMERATOR, x * x)) / polynomial(ERF_DENOMINATOR, x * x);
  return expOfMinusSquare(x) * scaledErfc(x);
}

/** Φ(x), the distribution function of N(0, 1). */
export function normalCdf(x: number): number {
  return erfc(-x * Math.SQRT1_2) / 2;
}

/** exp(−x²) with x split in two, so that rounding x² does not cost digits in the tail (as Cody does). */
function expOfMinusSquare(x: number): number {
  const head = Math.trunc(x * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(x - head) * (x + head));
}

function polynomial(highestFirst: readonly number[], x: number): number {
  let value = 0;
  for (const coefficient of highestFirst) value = value * x + coefficient;
  return value;
}
