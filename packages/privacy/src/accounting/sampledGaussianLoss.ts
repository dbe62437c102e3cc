/*
 * The privacy loss of one step of the Poisson-subsampled Gaussian. An outcome z has density Q = N(0, σ²) without the
 * example and P = (1 − q)·N(0, σ²) + q·N(1, σ²) with it, so with u = (2z − 1)/(2σ²) its loss is
 *
 *   l(z) = log(P/Q) = log(1 − q + q·e^u),
 *
 * strictly increasing in z, from log(1 − q) up. Both functions keep full relative precision where l is tiny, near
 * log(1 − q), and where e^u overflows.
 */

/** @returns l(z) */
export function lossOfOutcome(samplingRate: number, noiseMultiplier: number, z: number): number {
  const u = (2 * z - 1) / (2 * noiseMultiplier * noiseMultiplier);
  if (samplingRate === 1) return u;
  if (u > 600)
    return Math.log(samplingRate) + u + Math.log1p(((1 - samplingRate) / samplingRate) * Math.exp(-u));
  const excess = samplingRate * Math.expm1(u);
  return excess > -0.5 ? Math.log1p(excess) : Math.log(1 - samplingRate + samplingRate * Math.exp(u));
}

/** @returns the z with l(z) = loss; −Infinity for a loss of at most log(1 − q) */
export function outcomeOfLoss(samplingRate: number, noiseMultiplier: number, loss: number): number {
  return noiseMultiplier * noiseMultiplier * logLikelihoodRatio(samplingRate, loss) + 0.5;
}

/** log of (e^l − (1 − q))/q. */
function logLikelihoodRatio(samplingRate: number, loss: number): number {
  if (samplingRate === 1) return loss;
  if (loss > 1) return loss - Math.log(samplingRate) + Math.log1p((samplingRate - 1) * Math.exp(-loss));
  const excess = Math.expm1(loss) / samplingRate;
  if (excess > -0.5) return Math.log1p(excess);
  const overSmallest = Math.expm1(loss - Math.log1p(-samplingRate));
  return overSmallest > 0 ? Math.log(((1 - samplingRate) / samplingRate) * overSmallest) : -Infinity;
}
