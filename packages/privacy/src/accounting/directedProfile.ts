import { AccountingDomainError } from './accountingDomainError.ts';
import type { CountedStep, LossWindow } from './composeLoss.ts';
import { ComposedLoss, gridStepOf } from './composeLoss.ts';
import type { Direction } from './lossMoments.ts';
import { LossMoments } from './lossMoments.ts';
import type { OutcomeRange } from './privacyLossGrid.ts';
import { countGridPoints, outcomeRange } from './privacyLossGrid.ts';
import { outcomeOfLoss } from './sampledGaussianLoss.ts';

/** Probability of all outcomes that are left out of the grids, over all steps; 1e-8 of the smallest delta. */
const LEFT_OUT = 1e-20;

/**
 * What lies outside of a window, as −log of a probability. Over it: relative to the delta that is looked for, and charged.
 * Under it, and far over it: of the tilted loss. What is under it comes back at its upper end, where tilting back makes
 * it nothing; what is over it comes back at its lower end, and only what is far over it where answers are read.
 */
const CHARGED_EDGE = 26;
const UNDER_EDGE = 14;
const FAR_EDGE = 22;

/** Parts of the way from the lower end of a window to its centre: losses that come back stay below, answers above. */
const CLEAN_PART = 0.6;
const WRAPPED_PART = 0.4;

/** Tilted probability of the losses of a step that are lifted to the smallest one on its grid, as −log, over its count. */
const LIFTED_EDGE = 32;

const FIRST_SIZE = 2 ** 13;
const LARGEST_SIZE = 2 ** 20;
/** Of one step's grid; losses beyond the window wrap around. */
const MOST_POINTS = 2 ** 22;

/** How much too high an epsilon may be. */
export type Accuracy = { readonly relative: number; readonly absolute: number };

/** What is aimed at, and what is still given out. */
const AIM: Accuracy = { relative: 2e-5, absolute: 5e-5 };
const LIMIT: Accuracy = { relative: 1e-3, absolute: 2.5e-4 };

/** How much too high an answer may be, all in epsilon. */
type Judgement = {
  /** The change from the coarser grid to the finer one. */
  slack: number;
  /** What should be left of it, and what may be left at worst. */
  aim: number;
  limit: number;
};

/** The same loss on two grids, so that an answer shows how good it is. */
type ComposedPair = { finer: ComposedLoss; coarser: ComposedLoss };

/** Composed losses that are kept for further questions. */
const KEPT = 6;
const LARGEST_KEPT_SIZE = 2 ** 17;

/**
 * Epsilon and delta of composed steps in one direction, each grid refined until a finer one would hardly change the
 * answer: too wide a grid errs upward only.
 */
export class DirectedProfile {
  readonly #steps: readonly CountedStep[];
  readonly #direction: Direction;
  readonly #aim: Accuracy;
  readonly #tailMass: number;
  readonly #moments: { moments: LossMoments; count: number }[];
  readonly #largestLoss: number;
  readonly #kept: ComposedPair[] = [];

  /** @param aim what to refine grids for; as near to it as the largest grid gets */
  constructor(steps: readonly CountedStep[], direction: Direction, aim = AIM) {
    this.#steps = steps;
    this.#aim = aim;
    this.#direction = direction;
    this.#tailMass = LEFT_OUT / steps.reduce((sum, { count }) => sum + count, 0);
    this.#moments = steps.map((step) => ({
      moments: new LossMoments(step, direction, this.#tailMass),
      count: step.count,
    }));
    this.#largestLoss = this.#moments.reduce((sum, part) => sum + part.count * part.moments.largest, 0);
  }

  /**
   * @param enough an epsilon below which the caller does not need to know more
   * @returns ≥ 0, an upper bound within the limits above
   * @throws {AccountingDomainError} no grid is fine enough
   */
  epsilon(delta: number, enough = 0): number {
    if (this.#largestLoss <= enough) return this.#largestLoss;
    let window = this.#windowAt(this.#tiltOfDelta(delta));
    for (;;) {
      // Most of delta is in the largest loss there is, as when an example is added under little noise.
      if (!(this.#largestLoss - window.lowest > this.#aim.absolute / 2)) return this.#largestLoss;
      const epsilon = this.#refined(
        window,
        (loss) => loss.epsilon(delta),
        (finer, coarser) => ({
          slack: coarser - finer,
          aim:
            finer <= enough || !isClean(window, finer)
              ? Infinity
              : this.#aim.absolute + this.#aim.relative * finer,
          limit: Math.max(LIMIT.absolute, LIMIT.relative * finer),
        }),
      );
      // Where many losses are nothing and few are large, the Chernoff bound can be far over epsilon: look again lower.
      if (epsilon <= enough || isClean(window, epsilon)) return epsilon;
      window = this.#windowAt(this.#tiltOfMean(epsilon));
    }
  }

  /**
   * @param epsilon ≥ 0
   * @returns in [0, 1], an upper bound
   * @throws {AccountingDomainError} no grid is fine enough
   */
  delta(epsilon: number): number {
    if (epsilon >= this.#largestLoss) return LEFT_OUT;
    // Close to the largest loss delta falls to 0 more steeply than numbers can show.
    const at = Math.min(epsilon, (1 - 1e-6) * this.#largestLoss);
    const judge = (finer: number, coarser: number, tilt: number): Judgement => ({
      // delta falls about like e^(−tilt·epsilon).
      slack: Math.log(coarser / finer) / (1 + tilt),
      aim: this.#aim.absolute + this.#aim.relative * at,
      limit: Math.max(LIMIT.absolute, LIMIT.relative * at),
    });
    // One composition is exact over a good part of its window, not only at its centre.
    for (const { finer, coarser } of this.#kept) {
      const { window } = finer;
      if (!isClean(window, at) || at > (window.centre + window.highest) / 2) continue;
      const [delta, coarse] = [finer.delta(at), coarser.delta(at)];
      const { slack, aim } = judge(delta, coarse, window.tilt);
      if (slack <= 2 * aim) return delta;
    }
    const window = this.#windowAt(this.#tiltOfMean(at));
    return this.#refined(
      window,
      (loss) => loss.delta(at),
      (finer, coarser) => judge(finer, coarser, window.tilt),
    );
  }

  #refined(
    window: LossWindow,
    read: (loss: ComposedLoss) => number,
    judge: (finer: number, coarser: number) => Judgement,
  ): number {
    let coarser = this.#compose(window, FIRST_SIZE / 2);
    let coarse = read(coarser);
    let previousSlack = Infinity;
    for (let size = FIRST_SIZE; ; size *= 2) {
      const finer = this.#compose(window, size);
      const fine = read(finer);
      const { slack, aim, limit } = judge(fine, coarse);
      // Changes fall by a factor of 4 from size to size once the grid sees the shape of the loss, before that by less.
      const factor =
        previousSlack === Infinity ? 0.25 : Math.min(Math.max(slack / previousSlack, 0.25), 0.75);
      const left = (slack * factor) / (1 - factor);
      if (left <= aim || (size === LARGEST_SIZE && left <= limit)) {
        // With nothing aimed at, the grid is too wide for other questions.
        if (aim < Infinity && size <= LARGEST_KEPT_SIZE) this.#keep({ finer, coarser });
        return fine;
      }
      if (size === LARGEST_SIZE) {
        throw new AccountingDomainError(
          `expected parameters at which ${LARGEST_SIZE} grid points suffice, got ${JSON.stringify(this.#steps)}: ` +
            `epsilon may be more than ${limit} too high`,
        );
      }
      coarser = finer;
      coarse = fine;
      previousSlack = slack;
    }
  }

  #compose(window: LossWindow, size: number): ComposedLoss {
    const gridStep = gridStepOf(window, size);
    const steps = this.#steps.map((step, i) => {
      const outcomes = this.#outcomesOnGrid(step, this.#moments[i]!.moments, window.tilt);
      const points = countGridPoints(step, outcomes, gridStep);
      if (!(points <= MOST_POINTS)) {
        throw new AccountingDomainError(
          `expected steps whose losses fit a grid of ${MOST_POINTS} points, got ${points} for ${JSON.stringify(step)}`,
        );
      }
      return { ...step, outcomes };
    });
    return new ComposedLoss(steps, this.#direction, window, size, this.#tailMass);
  }

  /** Leaves out small losses whose tilted mass is nothing, which would only make the grid long. */
  #outcomesOnGrid(step: CountedStep, moments: LossMoments, tilt: number): OutcomeRange {
    const [lowest, highest] = outcomeRange(step, this.#tailMass);
    if (tilt === 0) return [lowest, highest];
    const floor = (moments.at(tilt).value - LIFTED_EDGE - Math.log(step.count)) / tilt;
    const sign = this.#direction === 'remove' ? 1 : -1;
    const outcome = outcomeOfLoss(step.samplingRate, step.noiseMultiplier, sign * floor);
    return sign === 1
      ? [Math.min(Math.max(lowest, outcome), highest), highest]
      : [lowest, Math.max(Math.min(highest, outcome), lowest)];
  }

  #keep(pair: ComposedPair): void {
    this.#kept.unshift(pair);
    if (this.#kept.length > KEPT) this.#kept.pop();
  }

  /** Cumulants of the composed loss. */
  #sum(tilt: number): { value: number; mean: number } {
    let value = 0;
    let mean = 0;
    for (const { moments, count } of this.#moments) {
      const at = moments.at(tilt);
      value += count * at.value;
      mean += count * at.mean;
    }
    return { value, mean };
  }

  /**
   * The tilt of the smallest epsilon that delta(epsilon) ≤ c·e^(K − θ·epsilon) gives, c = θ^θ/(1 + θ)^(1 + θ) (Canonne,
   * Kamath, Steinke 2020, Proposition 12), where θK′ − K = log(1/delta) − log(1 + θ).
   */
  #tiltOfDelta(delta: number): number {
    return growingRoot((tilt) => {
      const { value, mean } = this.#sum(tilt);
      return tilt * mean - value + Math.log(delta) + Math.log1p(tilt);
    });
  }

  /** The tilt of the Chernoff bound P(loss ≥ x) ≤ e^(−level) with the smallest x, where θK′ − K = level. */
  #tiltOfLevel(level: number): number {
    return growingRoot((tilt) => {
      const { value, mean } = this.#sum(tilt);
      return tilt * mean - value - level;
    });
  }

  /** The tilt that brings the mean to a loss; 0 for losses under the mean. */
  #tiltOfMean(loss: number): number {
    if (this.#sum(0).mean >= loss) return 0;
    return growingRoot((tilt) => this.#sum(tilt).mean - loss);
  }

  #windowAt(tilt: number): LossWindow {
    const { value: base, mean: centre } = this.#sum(tilt);
    // Chernoff again, to both sides of the tilted loss, where aκ′ − κ = level for κ(a) = K(θ + a) − K(θ) …
    const tiltedEdge = (sign: 1 | -1, level: number): number => {
      const distance = growingRoot((size) => {
        const { value, mean } = this.#sum(tilt + sign * size);
        return sign * size * mean - (value - base) - level;
      });
      return this.#sum(tilt + sign * distance).mean;
    };
    const lowest = tiltedEdge(-1, UNDER_EDGE);
    // … and upwards of the loss itself, beyond whose centre lies e^(K − θ·centre).
    const level = tilt * centre - base + CHARGED_EDGE;
    const highestTilt = this.#tiltOfLevel(level);
    const reach = tiltedEdge(1, FAR_EDGE) - WRAPPED_PART * (centre - lowest);
    const highest = Math.max(this.#sum(highestTilt).mean, reach);
    return {
      tilt,
      centre,
      // Narrower than that only where the loss is nearly a single number.
      lowest: Math.min(lowest, highest - 1 / (1 + tilt)),
      highest,
      tailTilt: Math.max(highestTilt - tilt, 1e-3 * highestTilt),
    };
  }
}

/** Whether no loss that wrapped around from over the window can matter at this epsilon. */
function isClean({ tilt, centre, lowest }: LossWindow, epsilon: number): boolean {
  return tilt === 0 || epsilon >= lowest + CLEAN_PART * (centre - lowest);
}

/**
 * Where a growing function of x > 0 crosses zero, to 0.1 %; the largest or smallest x there is when it does not: the
 * results only decide where to look.
 */
function growingRoot(f: (x: number) => number): number {
  let below = 1;
  let above = 1;
  if (f(1) < 0) {
    while (above < 1e15 && f(above) < 0) {
      below = above;
      above *= 4;
    }
  } else {
    while (below > 1e-15 && f(below) >= 0) {
      above = below;
      below /= 4;
    }
  }
  while (above / below > 1.001) {
    const middle = Math.sqrt(above * below);
    if (f(middle) < 0) below = middle;
    else above = middle;
  }
  return above;
}
