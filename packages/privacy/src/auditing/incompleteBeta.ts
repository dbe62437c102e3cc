/** Lanczos' coefficients for g = 7, nine terms (Godfrey 2001); relative error of the gamma function under 1e-14. */
const LANCZOS_CONSTANT = 0.99999999999980993;
const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/**
 * log Γ(x).
 * @param x ≥ 0.5, finite
 * @throws {RangeError} x is out of its range
 */
export function logGamma(x: number): number {
  if (!(x >= 0.5 && x < Infinity))
    throw new RangeError(`x must be a finite number of at least 0.5, got ${x}`);
  const shifted = x - 1;
  let sum = LANCZOS_CONSTANT;
  LANCZOS.forEach((coefficient, i) => (sum += coefficient / (shifted + i + 1)));
  const base = shifted + 7.5;
  return HALF_LOG_TWO_PI + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

/**
 * Regularized incomplete beta function I_x(a, b): the probability that a Beta(a, b) variable is at most x, which is also
 * that of at least a successes in a + b − 1 tries of probability x.
 * @param x in [0, 1]
 * @param a,b ≥ 0.5, finite
 * @returns in [0, 1]; relative error under 1e-9 for a + b up to 1e6, also where it is tiny
 * @throws {RangeError} an argument is out of its range
 * @see Press et al., Numerical Recipes, section 6.4 (continued fraction by Lentz's method)
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (!(x >= 0 && x <= 1)) throw new RangeError(`x must be in [0, 1], got ${x}`);
  const logBeta = logGamma(a) + logGamma(b) - logGamma(a + b);
  if (x === 0 || x === 1) return x;
  const logFront = a * Math.log(x) + b * Math.log1p(-x) - logBeta;
  // The fraction converges fast below the mean only; above it, the other tail is computed
  if (x < (a + 1) / (a + b + 2)) return (Math.exp(logFront) / a) * continuedFraction(x, a, b);
  return Math.max(0, 1 - (Math.exp(logFront) / b) * continuedFraction(1 - x, b, a));
}

const MAX_TERMS = 100_000;
const SMALLEST = 1e-300;

function continuedFraction(x: number, a: number, b: number): number {
  const awayFromZero = (value: number) => (Math.abs(value) < SMALLEST ? SMALLEST : value);
  let c = 1;
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= MAX_TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / awayFromZero(1 + even * d);
    c = awayFromZero(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / awayFromZero(1 + odd * d);
    c = awayFromZero(1 + odd / c);
    const factor = d * c;
    result *= factor;
    if (Math.abs(factor - 1) < 1e-15) return result;
  }
  throw new RangeError(`expected a and b up to about 1e6 with x = ${x}, got ${a} and ${b}: no convergence`);
}
