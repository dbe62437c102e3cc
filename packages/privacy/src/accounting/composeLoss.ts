import { conjugatePosition, forwardFft, inverseFft } from './fft.ts';
import type { Direction } from './lossMoments.ts';
import { normalCdf } from './normal.ts';
import type { OutcomeRange, PrivacyLossGrid, Step } from './privacyLossGrid.ts';
import { privacyLossGrid } from './privacyLossGrid.ts';

/** A step and how often it is taken. */
export type CountedStep = Step & { count: number };

/** A counted step of which only some outcomes get onto the grid. */
export type CutStep = CountedStep & { outcomes: OutcomeRange };

/** Where the composed loss is looked at. */
export type LossWindow = {
  /** θ: masses are weighted with e^(θ·loss), so that rounding errors are relative to the losses that matter. */
  tilt: number;
  /** The mean of the tilted loss. */
  centre: number;
  lowest: number;
  highest: number;
  /** Added to the tilt for the Chernoff bound of what lies over `highest`; > 0. */
  tailTilt: number;
};

/** Relative errors of masses: of the FFT and sums, and per composed step. Far more than ever seen. */
const ROUNDING_MARGIN = 1e-9;
const ROUNDING_MARGIN_PER_STEP = 2e-14;

/** Part of the grid that the window fills; the rest is for rounding to whole grid points. */
const FILLED = 0.98;

/** Beyond this a factor of e^x is not formed. */
const LARGEST_EXPONENT = 650;

/**
 * The sum of the privacy losses of many steps, in one direction, as an upper bound of the hockey-stick divergence.
 *
 * The masses of each step's grid are tilted, p̃ ∝ p·e^(θ·loss), their spectra raised to the power of the count and
 * multiplied, and the result tilted back where it is used. Losses outside of the window wrap around it: those from
 * below come out too high (which is safe), those from above are bounded by Chernoff and charged.
 */
export class ComposedLoss {
  readonly window: LossWindow;
  readonly #gridStep: number;
  /** Index of the lowest grid point; losses are gridStep·(start + i). */
  readonly #start: number;
  /** Hockey-stick divergence at grid point i, over exp(#logScale). */
  readonly #divergence: Float64Array;
  /** Mass at or over the lowest grid point, over exp(#logScale). */
  readonly #mass: number;
  readonly #logScale: number;
  /** Probability that is charged as infinite loss. */
  readonly #charged: number;
  readonly #margin: number;

  /**
   * @param steps    outcomes with smaller losses than those on the grid get the smallest loss there
   * @param size     grid points, a power of two
   * @param tailMass not under the mass of a step's outcomes with larger losses; charged as infinite loss
   */
  constructor(
    steps: readonly CutStep[],
    direction: Direction,
    window: LossWindow,
    size: number,
    tailMass: number,
  ) {
    const gridStep = gridStepOf(window, size);
    const start = Math.round((window.lowest + window.highest) / 2 / gridStep) - size / 2;
    const re = new Float64Array(size);
    const im = new Float64Array(size);
    let product: { re: Float64Array; im: Float64Array } | null = null;
    let centre = 0; // of the composed tilted loss, in grid points
    let logMgf = 0;
    let logTailMgf = 0;
    let count = 0;
    for (const step of steps) {
      const grid = privacyLossGrid(step, step.outcomes, gridStep);
      liftSmallLosses(step, direction, grid);
      re.fill(0);
      im.fill(0);
      const tilted = scatterTilted(grid, direction, window.tilt, re);
      forwardFft(re, im);
      raiseToPower(re, im, step.count);
      if (steps.length > 1) {
        if (product === null) product = { re: re.slice(), im: im.slice() };
        else multiply(product.re, product.im, re, im);
      }
      centre += step.count * tilted.meanIndex;
      logMgf += step.count * tilted.logMgf;
      logTailMgf += step.count * logMgfOf(grid, direction, window.tilt + window.tailTilt);
      count += step.count;
    }
    if (product !== null) {
      re.set(product.re);
      im.set(product.im);
    }
    inverseFft(re, im);

    this.window = window;
    this.#gridStep = gridStep;
    this.#start = start;
    this.#logScale = logMgf - window.tilt * gridStep * centre;
    this.#margin = ROUNDING_MARGIN + ROUNDING_MARGIN_PER_STEP * count;
    const top = gridStep * (start + size);
    this.#charged = tailMass * count + Math.exp(logTailMgf - (window.tilt + window.tailTilt) * top);
    // A_i = Σ_{j ≥ i} w_j and D_i = Σ_{j > i} w_j·(1 − e^(loss_i − loss_j)); all terms are positive.
    const divergence = im; // not needed any more
    const shrink = Math.exp(-gridStep);
    const gain = -Math.expm1(-gridStep);
    let mass = 0;
    let current = 0;
    let i = size - 1;
    for (; i >= 0; i--) {
      divergence[i] = current;
      const untilt = -window.tilt * gridStep * (start + i - centre);
      if (untilt > LARGEST_EXPONENT) break;
      const position = (((start + i - centre) % size) + size) % size;
      mass += (Math.max(0, re[position]!) / size) * Math.exp(untilt);
      current = shrink * current + gain * mass;
    }
    this.#mass = mass;
    this.#divergence = i < 0 ? divergence : divergence.slice(i);
    if (i >= 0) this.#start += i;
  }

  /** @returns in [0, 1], not below the true value */
  delta(epsilon: number): number {
    const divergence = this.#divergence;
    const position = epsilon / this.#gridStep - this.#start;
    const right = Math.ceil(position);
    let scaled = 0;
    if (right <= 0) {
      // Below the grid everything on it counts: Σ w_j·(1 − e^(epsilon − loss_j)), from its value at the lowest point.
      scaled = this.#mass - Math.exp(epsilon - this.#gridStep * this.#start) * (this.#mass - divergence[0]!);
    } else if (right < divergence.length) {
      // Between grid points divergence is linear in e^epsilon.
      const part = Math.expm1(epsilon - this.#gridStep * (this.#start + right)) / Math.expm1(-this.#gridStep);
      scaled = part * divergence[right - 1]! + (1 - part) * divergence[right]!;
    }
    return Math.min(1, (Math.exp(this.#logScale) * scaled + this.#charged) * (1 + this.#margin));
  }

  /**
   * @param delta in (0, 1)
   * @returns ≥ 0, not below the true value; Infinity when what had to be charged exceeds delta
   */
  epsilon(delta: number): number {
    if (this.delta(0) <= delta) return 0;
    const wanted = (delta * (1 - this.#margin) - this.#charged) / Math.exp(this.#logScale);
    if (!(wanted > 0)) return Infinity;
    const divergence = this.#divergence;
    const gridStep = this.#gridStep;
    if (divergence[0]! <= wanted) {
      if (this.#mass <= wanted) return 0;
      const factor = (this.#mass - wanted) / (this.#mass - divergence[0]!);
      return Math.max(0, gridStep * this.#start + Math.log(factor));
    }
    // The first point from the left at which divergence, which falls, is small enough.
    let above = 0;
    let right = divergence.length - 1;
    while (right - above > 1) {
      const middle = Math.floor((above + right) / 2);
      if (divergence[middle]! <= wanted) right = middle;
      else above = middle;
    }
    const part = (wanted - divergence[right]!) / (divergence[above]! - divergence[right]!);
    const loss = gridStep * (this.#start + right);
    return Math.max(0, loss + Math.log1p(part * Math.expm1(-gridStep)));
  }
}

/** Puts the mass of outcomes with smaller losses at the smallest loss that they do not exceed. */
function liftSmallLosses(
  { samplingRate, noiseMultiplier, outcomes: [lowest, highest] }: CutStep,
  direction: Direction,
  { first, step, logQ }: PrivacyLossGrid,
): void {
  const phi = (x: number): number => normalCdf(x / noiseMultiplier);
  const mass =
    direction === 'remove'
      ? (1 - samplingRate) * phi(lowest) + samplingRate * phi(lowest - 1)
      : phi(-highest);
  if (mass === 0) return;
  const i = direction === 'remove' ? 1 : logQ.length - 2;
  const logMass = Math.log(mass) - (direction === 'remove' ? step * (first + i) : 0);
  const larger = Math.max(logQ[i]!, logMass);
  logQ[i] = larger + Math.log1p(Math.exp(Math.min(logQ[i]!, logMass) - larger));
}

/** The distance of losses when a window is seen at `size` grid points. */
export function gridStepOf(window: LossWindow, size: number): number {
  return (window.highest - window.lowest) / (FILLED * size);
}

/**
 * Puts the tilted masses, their sum being 1, around position 0 of a circle.
 * @param circle zeros, shape [size]; changed in place
 */
function scatterTilted(
  grid: PrivacyLossGrid,
  direction: Direction,
  tilt: number,
  circle: Float64Array,
): { logMgf: number; meanIndex: number } {
  const { weights, logSum, mean } = tiltedWeights(grid, direction, tilt);
  const sign = direction === 'remove' ? 1 : -1;
  const meanIndex = sign * (grid.first + Math.round(mean));
  const size = circle.length;
  let position = (((sign * grid.first - meanIndex) % size) + size) % size;
  for (let i = 0; i < weights.length; i++) {
    circle[position]! += weights[i]!;
    position += sign;
    if (position === size) position = 0;
    else if (position < 0) position = size - 1;
  }
  return { logMgf: logSum, meanIndex };
}

function logMgfOf(grid: PrivacyLossGrid, direction: Direction, tilt: number): number {
  return tiltedWeights(grid, direction, tilt).logSum;
}

/** Masses times e^(tilt·loss), divided by their sum. */
function tiltedWeights(
  { first, step, logQ }: PrivacyLossGrid,
  direction: Direction,
  tilt: number,
): { weights: Float64Array; logSum: number; mean: number } {
  // Under P masses are those under Q times e^loss; in the direction "add" losses change their sign.
  const power = (direction === 'remove' ? 1 + tilt : -tilt) * step;
  const weights = new Float64Array(logQ.length);
  let largest = -Infinity;
  for (let i = 0; i < logQ.length; i++) {
    const log = logQ[i]! + power * (first + i);
    weights[i] = log;
    if (log > largest) largest = log;
  }
  // Sums of sums: a plain sum of a million terms would lose digits that a power of 100,000 makes visible.
  let sum = 0;
  let moment = 0;
  for (let block = 0; block < weights.length; block += 1024) {
    const end = Math.min(block + 1024, weights.length);
    let blockSum = 0;
    for (let i = block; i < end; i++) {
      const weight = Math.exp(weights[i]! - largest);
      weights[i] = weight;
      blockSum += weight;
      moment += i * weight;
    }
    sum += blockSum;
  }
  for (let i = 0; i < weights.length; i++) weights[i]! /= sum;
  return { weights, logSum: largest + Math.log(sum), mean: moment / sum };
}

/** Raises the spectrum of real data, as `forwardFft` leaves it, to a power, in polar form. */
function raiseToPower(re: Float64Array, im: Float64Array, power: number): void {
  if (power === 1) return;
  const raise = (position: number): void => {
    const logMagnitude = (power / 2) * Math.log(re[position]! ** 2 + im[position]! ** 2);
    const conjugate = position === 0 ? 0 : conjugatePosition(position);
    if (logMagnitude < -100) {
      re[position] = im[position] = re[conjugate] = im[conjugate] = 0;
      return;
    }
    const magnitude = Math.exp(logMagnitude);
    const angle = power * Math.atan2(im[position]!, re[position]!);
    re[position] = magnitude * Math.cos(angle);
    im[position] = magnitude * Math.sin(angle);
    if (conjugate === position) return;
    re[conjugate] = re[position]!;
    im[conjugate] = -im[position];
  };
  raise(0);
  for (let block = 1; block < re.length; block *= 2) {
    // Half of a block holds the conjugates of the other half; the block of one is its own.
    for (let position = block; position < block + Math.max(1, block / 2); position++) raise(position);
  }
}

/** a := a·b, complex. */
function multiply(aRe: Float64Array, aIm: Float64Array, bRe: Float64Array, bIm: Float64Array): void {
  for (let i = 0; i < aRe.length; i++) {
    const re = aRe[i]! * bRe[i]! - aIm[i]! * bIm[i]!;
    aIm[i] = aRe[i]! * bIm[i]! + aIm[i]! * bRe[i]!;
    aRe[i] = re;
  }
}
