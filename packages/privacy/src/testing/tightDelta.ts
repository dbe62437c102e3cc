import type { CountedStep } from '../accounting/composeLoss.ts';
import type { Direction } from '../accounting/lossMoments.ts';
import { normalCdf } from '../accounting/normal.ts';

/*
 * Test-only. delta(epsilon) of subsampled Gaussians computed without grids, convolutions or bounds, to check the accountant
 * by something that shares nothing with it but the definition of the loss (and Φ, which has its own reference values).
 */

/** E[(1 − e^(epsilon − loss))₊] of one step in closed form, for any epsilon; samplingRate < 1. */
export function oneStepDelta(step: CountedStep, epsilon: number, direction: Direction): number {
  const { samplingRate: q, noiseMultiplier: sigma } = step;
  const threshold = direction === 'remove' ? epsilon : -epsilon;
  const ratio = 1 + Math.expm1(threshold) / q; // e^u at the outcome whose loss is the threshold
  const z = ratio > 0 ? (sigma ** 2 * Math.log(ratio) + 0.5) / sigma : -Infinity;
  if (direction === 'remove') {
    // P − e^epsilon·Q over z, with P = (1 − q)·N(0, σ²) + q·N(1, σ²)
    return q * normalCdf(1 / sigma - z) - (Math.expm1(epsilon) + q) * normalCdf(-z);
  }
  return (1 - Math.exp(epsilon) * (1 - q)) * normalCdf(z) - Math.exp(epsilon) * q * normalCdf(z - 1 / sigma);
}

/** The same for two steps, as the expectation over the first one's outcome: a trapezoidal sum. */
export function twoStepDelta(step: CountedStep, epsilon: number, direction: Direction): number {
  const { samplingRate: q, noiseMultiplier: sigma } = step;
  const spacing = Math.min(sigma, sigma ** 2) / 1600;
  let sum = 0;
  for (let z = -12 * sigma; z < 1 + 12 * sigma; z += spacing) {
    const loss = Math.log1p(q * Math.expm1((2 * z - 1) / (2 * sigma ** 2)));
    const density = Math.exp((-z * z) / (2 * sigma ** 2) + (direction === 'remove' ? loss : 0));
    sum += density * oneStepDelta(step, epsilon - (direction === 'remove' ? loss : -loss), direction);
  }
  return (sum * spacing) / (sigma * Math.sqrt(2 * Math.PI));
}

/**
 * The same for many steps, as an integral along a vertical line in the complex plane: with M(s) = E[e^(s·loss)] of all,
 *
 *   delta(epsilon) = 1/(2πi)·∫ M(s)·e^(−s·epsilon)/(s(s + 1)) ds,  Re s = c > 0
 *
 * (Alghamdi et al. 2022, "The saddle-point method in differential privacy", arXiv 2208.09595). The integrals are
 * trapezoidal sums, which converge geometrically here: the result has about eight right digits.
 * @returns null where |M| falls so slowly along the line that the sum would be long
 */
export function tightDelta(
  steps: readonly CountedStep[],
  epsilon: number,
  direction: Direction,
): number | null {
  // The line goes a little to the left of the saddle point, where log M(c) − c·epsilon − log c is smallest: at the point
  // itself a heavy tail could be cut too early.
  const coarse = steps.map((step) => new Moments(step, direction, 0));
  let low = 1e-9;
  let c = 1e9;
  while (c / low > 1.01) {
    const middle = Math.sqrt(low * c);
    const mean = coarse.reduce((sum, part) => sum + part.along(middle).meanLoss, 0);
    if (mean - epsilon - 1 / middle < 0) low = middle;
    else c = middle;
  }
  c *= 0.8;
  const deviation = Math.sqrt(coarse.reduce((sum, part) => sum + part.along(c).variance, 0));
  const spacing = Math.min((2 * Math.PI * c) / 60, 0.35 / deviation);
  let sum = 0;
  let logScale = 0;
  let work = 0;
  for (let block = 0; ; block++) {
    const parts = steps.map((step) => new Moments(step, direction, (block + 1) * BLOCK * spacing));
    const lines = parts.map((part) => part.along(c));
    logScale = lines.reduce((total, line) => total + line.logM, -c * epsilon);
    let largestTerm = 0;
    for (let k = block * BLOCK; k < (block + 1) * BLOCK; k++) {
      const t = k * spacing;
      let logMagnitude = 0;
      let angle = -t * epsilon;
      for (const line of lines) {
        const at = line.relative(t);
        logMagnitude += at.logMagnitude;
        angle += at.angle;
      }
      const magnitude = Math.exp(logMagnitude);
      // 1/(s(s + 1)) with s = c + it
      const re = c * c - t * t + c;
      const im = 2 * c * t + t;
      const term = (magnitude * (Math.cos(angle) * re + Math.sin(angle) * im)) / (re * re + im * im);
      sum += k === 0 ? term / 2 : term;
      largestTerm = Math.max(largestTerm, magnitude / Math.hypot(re, im));
    }
    if (largestTerm < 1e-11 * Math.abs(sum)) break;
    work += BLOCK * parts.reduce((total, part) => total + part.size, 0);
    if (work > MOST_WORK) return null;
  }
  return ((Math.exp(logScale) * spacing) / Math.PI) * sum;
}

const BLOCK = 32;
const MOST_WORK = 2e6;

/** count·log E[e^(s·loss)] of one kind of step, from its outcomes on a fine grid. */
class Moments {
  readonly #losses: Float64Array;
  readonly #logMasses: Float64Array;
  readonly #count: number;

  /** @param largestT up to where s = c + it is wanted: the faster e^(it·loss) turns, the finer it must be seen */
  constructor(
    { samplingRate: q, noiseMultiplier: sigma, count }: CountedStep,
    direction: Direction,
    largestT: number,
  ) {
    const spacing = Math.min(sigma / 8, sigma ** 2 / Math.max(6, 2 + 2 * largestT));
    const size = Math.min(Math.ceil((1 + 24 * sigma) / spacing), 1e6);
    this.#count = count;
    this.#losses = new Float64Array(size);
    this.#logMasses = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      const z = -12 * sigma + i * spacing;
      const u = (2 * z - 1) / (2 * sigma ** 2);
      const loss = u > 300 ? Math.log(q) + u : q === 1 ? u : Math.log1p(q * Math.expm1(u));
      const logQ = (-z * z) / (2 * sigma ** 2) + Math.log(spacing / (sigma * Math.sqrt(2 * Math.PI)));
      this.#losses[i] = direction === 'remove' ? loss : -loss;
      this.#logMasses[i] = direction === 'remove' ? logQ + loss : logQ;
    }
  }

  get size(): number {
    return this.#losses.length;
  }

  along(c: number) {
    const losses = this.#losses;
    const count = this.#count;
    const logs = this.#logMasses.map((log, i) => log + c * losses[i]!);
    const largest = logs.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = logs.map((log) => Math.exp(log - largest));
    const mass = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, i) => (weights[i] = weight / mass));
    const mean = weights.reduce((sum, weight, i) => sum + weight * losses[i]!, 0);
    return {
      logM: count * (largest + Math.log(mass)),
      meanLoss: count * mean,
      variance: count * weights.reduce((sum, weight, i) => sum + weight * (losses[i]! - mean) ** 2, 0),
      /** M(c + it)/M(c) */
      relative(t: number): { logMagnitude: number; angle: number } {
        let re = 0;
        let im = 0;
        for (let i = 0; i < losses.length; i++) {
          re += weights[i]! * Math.cos(t * losses[i]!);
          im += weights[i]! * Math.sin(t * losses[i]!);
        }
        return {
          logMagnitude: (count / 2) * Math.log(re * re + im * im),
          angle: count * Math.atan2(im, re),
        };
      },
    };
  }
}
