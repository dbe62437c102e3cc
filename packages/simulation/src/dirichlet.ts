import type { RandomStream } from './randomStream.ts';

/**
 * One draw of the symmetric Dirichlet distribution: proportions that add up to 1. Computed from logarithms of Gamma
 * variates, because at a small alpha most of the variates themselves are too small for float64.
 * @param alpha > 0; small: nearly all in one place, large: nearly equal
 * @param size  how many proportions, at least 1
 */
export function dirichlet(alpha: number, size: number, random: RandomStream): number[] {
  const logs = Array.from({ length: size }, () => logGamma(alpha, random));
  const largest = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * The logarithm of a Gamma(shape, 1) variate: Marsaglia and Tsang 2000 ("A simple method for generating gamma variables")
 * for shape + 1, and Gamma(shape) = Gamma(shape + 1)·U^(1/shape).
 */
function logGamma(shape: number, random: RandomStream): number {
  const d = shape + 1 - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - random.uniform()) < (x * x) / 2 + d - d * v + d * Math.log(v)) {
      return Math.log(d * v) + Math.log(1 - random.uniform()) / shape;
    }
  }
}

/** Box-Muller, the cosine half. */
function normal(random: RandomStream): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}
