import { ExactCoins } from './exactCoins.ts';
import type { RandomSource } from './random.ts';

/** 2·stdDev² must be at most 2^53, the largest denominator of an exact coin. */
export const MAX_DISCRETE_STD_DEV = 2 ** 26;

/**
 * The discrete Gaussian: integer x with probability proportional to exp(−x²/(2·stdDev²)), exactly; nothing about it rests
 * on floating point. Sampled by rejection from the discrete Laplace distribution (Canonne, Kamath and Steinke 2020, arXiv
 * 2004.00010, Algorithms 2 and 3), with integers below 2^53 in place of rationals.
 *
 * Guarantee: added to integers of L2 sensitivity D it has the concentrated privacy of continuous Gaussian noise with the
 * same parameter, D²/(2·stdDev²)-zCDP (their Theorem 4): without sampling its Rényi divergences are at most the ones that
 * are accounted, at every order. With Poisson sampling they are the same at integer orders, where the divergence is a
 * binomial sum of terms that whole shifts give both alike; of fractional orders, and of the privacy loss distribution, no
 * such theorem is known to us (see `GaussianEvent`).
 *
 * How long a draw takes depends on what is drawn; the time of single draws must not be observable (Jin et al. 2021,
 * arXiv 2112.05307). Noise is therefore drawn for a whole vector in a worker.
 */
export class DiscreteGaussian {
  readonly #stdDev: number;
  readonly #coins: ExactCoins;

  /**
   * @param stdDev the parameter σ, an integer from 1 to 2^26; the deviation of the draws is σ to 1e-6
   * @throws {RangeError} another stdDev
   */
  constructor(stdDev: number, random: RandomSource) {
    if (!Number.isSafeInteger(stdDev) || stdDev < 1 || stdDev > MAX_DISCRETE_STD_DEV) {
      throw new RangeError(`stdDev must be an integer from 1 to ${MAX_DISCRETE_STD_DEV}, got ${stdDev}`);
    }
    this.#stdDev = stdDev;
    this.#coins = new ExactCoins(random);
  }

  /** One draw. */
  next(): number {
    for (;;) {
      const candidate = this.#laplace();
      if (this.#accept(Math.abs(candidate))) return candidate;
    }
  }

  /** Discrete Laplace: x with probability proportional to exp(−|x|/σ) (Algorithm 2 with s = 1, t = σ). */
  #laplace(): number {
    const scale = this.#stdDev;
    const coins = this.#coins;
    for (;;) {
      const low = coins.below(scale);
      if (!coins.expMinus(low, scale)) continue;
      let high = 0;
      while (coins.expMinus(1, 1)) high += 1;
      const magnitude = low + scale * high;
      const negative = coins.flip();
      if (negative && magnitude === 0) continue; // zero has no sign, and must not count twice
      return negative ? -magnitude : magnitude;
    }
  }

  /**
   * True with probability exp(−(|x| − σ)²/(2σ²)): what is left of exp(−x²/2σ²) over exp(−|x|/σ).
   * With ||x| − σ| = wholes·σ + rest the exponent is wholes²/2 + wholes·rest/σ + rest²/(2σ²), each of them a coin (or
   * several) whose fraction is at most 1 and whose integers are at most 2^53.
   */
  #accept(magnitude: number): boolean {
    const scale = this.#stdDev;
    const coins = this.#coins;
    const distance = Math.abs(magnitude - scale);
    const rest = distance % scale;
    const wholes = (distance - rest) / scale;
    for (let i = 0; i < wholes * wholes; i++) if (!coins.expMinus(1, 2)) return false;
    for (let i = 0; i < wholes; i++) if (!coins.expMinus(rest, scale)) return false;
    return coins.expMinus(rest * rest, 2 * scale * scale);
  }
}
