/*
 * Rényi divergence of one step of the Poisson-subsampled Gaussian (Mironov, Talwar, Zhang 2019, arXiv 1908.10530).
 * With z ~ N(0, σ²) and u(z) = q(exp((2z − 1)/(2σ²)) − 1), the density ratio is 1 + u and E[u] = 0, so
 *
 *   exp((a − 1)·RDP(a)) = E[(1 + u)^a] = 1 + E[(1 + u)^a − 1 − a·u].
 *
 * The last expectation is computed instead of the one before: its integrand is ≥ 0 everywhere (convexity), so sums
 * lose no digits even where RDP is 1e-8. Only the direction "remove" is needed; it is the larger (same paper, Thm 5).
 */

/** Below this noise multiplier the quadrature's grid gets so fine that only integer orders are offered. */
export const SMALLEST_FRACTIONAL_NOISE = 0.1;

/** Up to here squares of the noise multiplier, and their inverses, are numbers that float64 holds to all digits. */
const LARGEST_NOISE = 1e100;

/** Relative addition that keeps rounding errors (about 1e-13) from making the result too small. */
const ROUNDING_MARGIN = 1e-11;

/**
 * @param samplingRate    q in (0, 1]
 * @param noiseMultiplier σ, over 0 and up to 1e100; at least 0.1 for a fractional order with q < 1
 * @param order           a > 1
 * @returns RDP(a) in nats, within 1e-10 (relative), not under the true value; Infinity where float64 cannot hold it
 * @throws {RangeError} noiseMultiplier is not in its range
 */
export function rdpOfSampledGaussian(samplingRate: number, noiseMultiplier: number, order: number): number {
  if (!(noiseMultiplier > 0 && noiseMultiplier <= LARGEST_NOISE)) {
    throw new RangeError(
      `noiseMultiplier must be over 0 and at most ${LARGEST_NOISE}, got ${noiseMultiplier}`,
    );
  }
  if (samplingRate === 1) return order / (2 * noiseMultiplier ** 2);
  const logExcess = Number.isInteger(order)
    ? logExcessByBinomialSum(samplingRate, noiseMultiplier, order)
    : logExcessByQuadrature(samplingRate, noiseMultiplier, order);
  return (logOnePlusExp(logExcess) / (order - 1)) * (1 + ROUNDING_MARGIN);
}

/** log E[(1+u)^a − 1 − a·u] as Σ_{k≥2} C(a,k) (1−q)^(a−k) q^k (exp((k²−k)/(2σ²)) − 1), for an integer order. */
export function logExcessByBinomialSum(samplingRate: number, noiseMultiplier: number, order: number): number {
  const logRatio = Math.log(samplingRate) - Math.log1p(-samplingRate);
  let logWeight = order * Math.log1p(-samplingRate); // log C(a,k) (1−q)^(a−k) q^k at k = 0
  const logTerms: number[] = [];
  for (let k = 1; k <= order; k++) {
    logWeight += Math.log((order - k + 1) / k) + logRatio;
    if (k > 1) logTerms.push(logWeight + logExpm1((k * k - k) / (2 * noiseMultiplier ** 2)));
  }
  return logSumExp(logTerms);
}

/**
 * The same for any order > 1, by the trapezoidal rule over the whole line.
 * The integrand falls like a Gaussian and is analytic up to ±iπσ² (where 1 + u = 0), so the error falls like
 * exp(−2π·πσ²/h + π²σ²/2), or exp(−2π²σ²/h²) for large σ: with h = min(σ, σ²)/4 under 1e-25, far below rounding.
 * Peaks lie in [0, max(a, 2)] and are no narrower than σ; 13σ beyond them is less than 1e-30 of the whole.
 */
export function logExcessByQuadrature(samplingRate: number, noiseMultiplier: number, order: number): number {
  const variance = noiseMultiplier ** 2;
  const step = Math.min(noiseMultiplier, variance) / 4;
  const start = -13 * noiseMultiplier;
  const count = Math.ceil((Math.max(order, 2) + 26 * noiseMultiplier) / step);
  const logTerms: number[] = [];
  for (let i = 0; i <= count; i++) {
    const z = start + i * step;
    const logLikelihoodRatio = (2 * z - 1) / (2 * variance);
    logTerms.push((-z * z) / (2 * variance) + logPowerExcess(samplingRate, logLikelihoodRatio, order));
  }
  return logSumExp(logTerms) + Math.log(step / (noiseMultiplier * Math.sqrt(2 * Math.PI)));
}

/** log((1+u)^a − 1 − a·u) with u = q(exp(l) − 1), without cancellation or overflow; −Infinity at u = 0. */
function logPowerExcess(samplingRate: number, l: number, order: number): number {
  const u = samplingRate * Math.expm1(l);
  if (Math.abs(u) < 0.5 && order * Math.abs(u) < 1) {
    // Binomial series from its second power: a(a−1)/2·u² + …
    let term = ((order * (order - 1)) / 2) * u * u;
    let sum = term;
    for (let k = 3; Math.abs(term) > 1e-17 * sum; k++) {
      term *= ((order - k + 1) / k) * u;
      sum += term;
    }
    return Math.log(sum);
  }
  const logBase = Math.log(samplingRate) + l;
  const logRatio = u < 1e10 ? Math.log1p(u) : logBase + Math.log1p((1 - samplingRate) * Math.exp(-logBase));
  const logPower = order * logRatio;
  if (logPower < 600) return Math.log(Math.expm1(logPower) - order * u);
  // 1 + a·u written as a(1 + u), which is larger by a − 1: nothing beside exp(600).
  return logPower + Math.log1p(-Math.exp(Math.log(order) + logRatio - logPower));
}

function logSumExp(logTerms: readonly number[]): number {
  const largest = logTerms.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(largest)) return largest; // nothing to add to
  return largest + Math.log(logTerms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
}

/** log(exp(x) − 1) for x > 0. */
function logExpm1(x: number): number {
  return x > 30 ? x + Math.log1p(-Math.exp(-x)) : Math.log(Math.expm1(x));
}

/** log(1 + exp(x)). */
function logOnePlusExp(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
