import { EIGHT_POINTS, THREE_POINTS } from './gaussLegendre.ts';
import { lossOfOutcome, outcomeOfLoss } from './sampledGaussianLoss.ts';

/** One step of a subsampled Gaussian, see `sampledGaussianLoss.ts`. */
export type Step = { samplingRate: number; noiseMultiplier: number };

/**
 * A pair of distributions over the losses step·(first + i), for i < logQ.length, that is at least as far apart as
 * a step's outcomes: Q has mass exp(logQ[i]), P that mass times e^loss.
 */
export type PrivacyLossGrid = { step: number; first: number; logQ: Float64Array };

/** A part of the outcomes z of a step. */
export type OutcomeRange = readonly [lowest: number, highest: number];

/**
 * The outcomes beyond which P and Q each have at most `tailMass`, both ends together.
 * @param tailMass in (0, 1)
 * @see Φ(−y) ≤ exp(−y²/2)/2
 */
export function outcomeRange({ noiseMultiplier }: Step, tailMass: number): OutcomeRange {
  const deviations = Math.sqrt(2 * Math.log(1 / tailMass));
  return [-deviations * noiseMultiplier, 1 + deviations * noiseMultiplier];
}

/** How many points `privacyLossGrid` has, before they are computed. */
export function countGridPoints(step: Step, outcomes: OutcomeRange, gridStep: number): number {
  const [first, last] = gridIndices(step, outcomes, gridStep);
  return last - first + 1;
}

/**
 * Moves the outcomes of one step onto a grid of losses such that epsilon can only grow ("connect the dots", Doroshenko,
 * Ghazi, Kamath, Kumar, Manurangsi 2022, arXiv 2207.04380, section 3): each outcome with a loss between two grid points
 * is split between them so that its mass under P and under Q stay what they are. That is a finer mechanism, of which
 * the true one is a post-processing, so both directions stay dominated, also after composition.
 *
 * With x = e^loss, the part that goes up is (x − x₀)/(x₁ − x₀). It is integrated over the outcomes of each cell; every
 * term is positive, so the masses have full relative precision in the tails as well, which differences of
 * distribution functions would not.
 *
 * @param outcomes those that get onto the grid; the others are the caller's
 * @param gridStep distance of the losses, > 0
 */
export function privacyLossGrid(step: Step, outcomes: OutcomeRange, gridStep: number): PrivacyLossGrid {
  const { samplingRate, noiseMultiplier } = step;
  const variance = noiseMultiplier * noiseMultiplier;
  const [lowestOutcome, highestOutcome] = outcomes;
  const [first, last] = gridIndices(step, outcomes, gridStep);
  const logQ = new Float64Array(last - first + 1);
  const logDensityFactor = -Math.log(noiseMultiplier * Math.sqrt(2 * Math.PI));
  // e^loss − e^(lowest grid point) at z → −∞, over (1 − q): how far the first cell begins below the smallest loss.
  const belowSmallest =
    samplingRate === 1 ? 0 : -Math.expm1(first * gridStep - Math.log1p(-samplingRate)) * (1 - samplingRate);
  const firstCellWidth = Math.exp(first * gridStep) * Math.expm1(gridStep);

  let cellStart = outcomeOfLoss(samplingRate, noiseMultiplier, first * gridStep);
  let carried = 0; // what the cell before gave to its upper point, over exp(carriedLog)
  let carriedLog = 0;
  for (let i = 0; i < logQ.length - 1; i++) {
    const cellEnd = outcomeOfLoss(samplingRate, noiseMultiplier, (first + i + 1) * gridStep);
    const left = Math.max(cellStart, lowestOutcome);
    const right = Math.min(cellEnd, highestOutcome);
    const width = right - left;
    // How much the logarithm of the integrand changes inside the cell, and so how finely it must be cut.
    const steepness = (width * (Math.max(Math.abs(left), Math.abs(right)) + noiseMultiplier + 1)) / variance;
    const rule = steepness <= 0.05 ? THREE_POINTS : EIGHT_POINTS;
    const pieces = Math.max(1, Math.ceil(steepness));
    const nearest = Math.min(Math.max(0, left), right); // where Q is densest
    const cellWidth = Math.expm1((cellEnd - cellStart) / variance);

    let lower = 0;
    let upper = 0;
    for (let piece = 0; piece < pieces; piece++) {
      for (let n = 0; n < rule.nodes.length; n++) {
        const z = left + (width * (piece + rule.nodes[n]!)) / pieces;
        const mass = rule.weights[n]! * Math.exp(((nearest - z) * (nearest + z)) / (2 * variance));
        const up =
          cellStart === -Infinity
            ? (belowSmallest + samplingRate * Math.exp((2 * z - 1) / (2 * variance))) / firstCellWidth
            : Math.expm1((z - cellStart) / variance) / cellWidth;
        upper += mass * up;
        lower += mass * (1 - up);
      }
    }
    const log = logDensityFactor - (nearest * nearest) / (2 * variance);
    const scale = width / pieces;
    logQ[i] = log + Math.log(Math.max(0, lower) * scale + carried * Math.exp(carriedLog - log));
    carried = Math.max(0, upper) * scale;
    carriedLog = log;
    cellStart = cellEnd;
  }
  logQ[logQ.length - 1] = carriedLog + Math.log(carried);
  return { step: gridStep, first, logQ };
}

function gridIndices(
  { samplingRate, noiseMultiplier }: Step,
  [lowest, highest]: OutcomeRange,
  gridStep: number,
): [first: number, last: number] {
  const first = Math.floor(lossOfOutcome(samplingRate, noiseMultiplier, lowest) / gridStep);
  const last = Math.ceil(lossOfOutcome(samplingRate, noiseMultiplier, highest) / gridStep);
  return [first, Math.max(last, first + 1)];
}
