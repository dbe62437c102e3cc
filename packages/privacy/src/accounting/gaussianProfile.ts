import { normalCdf, scaledErfc } from './normal.ts';

/*
 * The Gaussian mechanism, exactly: a pair N(0, 1), N(mu, 1). Any number of unsampled Gaussian releases together are one
 * with mu = sqrt(Σ 1/noiseMultiplier²).
 */

/** Search results are this much (relative) above the point where rounding could matter. */
const ROUNDING_MARGIN = 1e-12;

/**
 * delta(epsilon) = Φ(mu/2 − epsilon/mu) − e^epsilon·Φ(−mu/2 − epsilon/mu)
 * (Balle & Wang 2018, arXiv 1805.06530, Theorem 8), without the overflow and the cancellation of that form.
 * @param mu      > 0
 * @param epsilon ≥ 0
 * @returns in [0, 1], to about 1e-13/min(mu, 1) relative
 */
export function gaussianDelta(mu: number, epsilon: number): number {
  // e^epsilon·exp(−b²/2) = exp(−a²/2) for a = epsilon/mu − mu/2 and b = a + mu.
  const a = epsilon / mu - mu / 2;
  const b = epsilon / mu + mu / 2;
  const common = Math.exp((-a * a) / 2) / 2;
  const scaledB = scaledErfc(b * Math.SQRT1_2);
  if (a < 0) return normalCdf(-a) - common * scaledB;
  return common * (scaledErfc(a * Math.SQRT1_2) - scaledB);
}

/**
 * The smallest epsilon ≥ 0 with `gaussianDelta(mu, epsilon)` at most delta.
 * @param mu    > 0
 * @param delta in (0, 1)
 * @returns at most 1e-12 (relative) above it, and not below it
 */
export function gaussianEpsilon(mu: number, delta: number): number {
  if (gaussianDelta(mu, 0) <= delta) return 0;
  let tooSmall = 0;
  // Φ(−a) ≤ exp(−a²/2) for a ≥ 0 bounds delta from above.
  let enough = mu * (mu / 2 + Math.sqrt(2 * Math.log(1 / delta)));
  for (;;) {
    const middle = (tooSmall + enough) / 2;
    if (middle <= tooSmall || middle >= enough || enough - tooSmall < 1e-14 * enough) break;
    if (gaussianDelta(mu, middle) <= delta) enough = middle;
    else tooSmall = middle;
  }
  return enough * (1 + ROUNDING_MARGIN);
}
