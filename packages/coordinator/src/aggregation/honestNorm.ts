import type { RunConfig, RunPlan } from '@chorale/protocol';
import { rowLimit, trainedRangeOf } from '@chorale/protocol';
import { GRID_UNITS } from '@chorale/privacy';

/** Between which L2 norms the values of every honest update lie. */
export type NormWindow = { lowest: number; highest: number };

/** The chance with which an honest update may lie outside of its window; shared by the bounds below, ten at most. */
const FALSE_REFUSAL = 1e-9;
/** Each bound x(t) below is exceeded with a probability of at most exp(−t). */
const T = Math.log(10 / FALSE_REFUSAL);

/** What a draw differs at most from a normal number of its standard deviation, in grid units (docstring below). */
const DRAW_ERROR = { 'rounded-gaussian': 0.5, 'discrete-gaussian': 1.01 };

/** What float64 rounds in a step, for parameters under 1000: half a unit in the last place when stepping and at the end. */
const STEP_ERROR = 2 ** -42;
/** Steps of int8 from 0 to the largest value of a tensor: 127, less what its scale is rounded up by. */
const INT8_STEPS = 127 / (1 + 2 ** -16);
/** float32 and the decoder round each value by 2^-24 of it, a few times. */
const FLOAT32_ERROR = 1e-6;

/** What the noise and the clipped gradients can do to an update, unit of its values. */
type NoiseLaw = {
  /** Number of values, d. */
  count: number;
  /** Noised steps, K: for unit `contributor` the one at the end. */
  steps: number;
  /** Of the noise of one step on each value. */
  stdDev: number;
  /** The most by which the norm of what j steps drew differs from that of normal numbers; grows with j. */
  errorOf(steps: number): number;
  /** The largest norm of what the clipped gradients add in any j steps. */
  signalOf(steps: number): number;
};

/**
 * The window of an honest update's norm, derived from how a tab makes one (`packages/privacy/src/mechanism`), such that an
 * honest update falls outside with a probability under 1e-9, whatever her rows are, as long as she keeps to `rowLimit`.
 *
 * With unit `example` the update is u = Σₜ (Sₜ + Nₜ) over K steps, unit η·C/D (learningRate, clippingNorm, expectedBatchSize):
 * - Sₜ, the sum over the Poisson sample, has a norm of at most its size, for either clipping leaves norms of at most C.
 *   The sizes of j steps are together binomial of mean μ ≤ j·q·rowLimit; over μ + √(2μt) + t/3 with a probability ≤ e⁻ᵗ
 *   (Bernstein; Boucheron, Lugosi, Massart 2013, theorem 2.10), and never over j·rowLimit.
 * - Nₜ is independent of all that came before it; σ times a standard normal vector of d coordinates, but for the drawing:
 *   rounding moves a coordinate by half a grid unit at most; a discrete Gaussian of parameter s ≥ 1 can be coupled to a
 *   normal number of the same s no more than one unit away (compare their tails, sum and integral of one decreasing
 *   function; the normalisers differ by under 6e-9). `discrete-gaussian` rounds s up.
 * - The squared norm of a standard normal vector is over d + 2√(dt) + 2t, or under d − 2√(dt), each with a probability
 *   ≤ e⁻ᵗ (Laurent, Massart 2000, lemma 1).
 *
 * Highest: |ΣN| + |ΣS|, for gradients can follow the noise of earlier steps. With a single step they cannot: S and N are
 * independent, and |S + N|² = |S|² + 2⟨S, N⟩ + |N|² with ⟨S, N⟩ ≤ |S|·σ·√(2t) but for e⁻ᵗ.
 *
 * Lowest: of the last j steps, the first's S and all before is independent of their noise. A normal vector plus an
 * independent one is no shorter than the normal vector alone (in distribution: a noncentral chi grows with its
 * centre), so |u| ≥ |N of j steps| − |S of j − 1 steps|, for every j; the best j is taken. j = 1 takes nothing away: whatever
 * gradients do, an update is about as long as the noise of its last step.
 *
 * With unit `contributor` there is one noise, of 2C·σ, on a change of norm at most C, independent of it: the case of one
 * step.
 *
 * Encodings (`encodeUpdate`): stochastic rounding adds E with mean 0, independent between values given u. f16: |Eᵢ| ≤ 2⁻¹⁰|uᵢ|
 * + 2⁻²⁴ max|u|, taken off and added as it is. int8: |Eᵢ| is under a step h = max|u|/127 ≤ |u|/127 of its tensor;
 * ⟨u, E⟩ is beyond ±|u|·h·√(t/2) with a probability ≤ e⁻ᵗ each, and |E|² is over d·h²/4 + h²√(dt/2) with one ≤ e⁻ᵗ (both
 * Hoeffding 1963). So |u + E|² ≥ |u|²(1 − √(2t)/127), and |u + E|² ≤ |u|²(1 + √(2t)/127) + d·h²/4 + h²√(dt/2).
 *
 * @param plan of a unit that protects
 * @param round from 1
 */
export function honestNorm(
  plan: Pick<RunPlan, 'config' | 'noiseMultiplier' | 'trainedRanges'>,
  round: number,
): NormWindow {
  const law = noiseLaw(plan, round);
  const bounds = encoded(
    { lowest: lowestNorm(law), highest: highestNorm(law) },
    largestValue(law),
    law.count,
    plan.config.transport.encoding,
  );
  return { lowest: bounds.lowest * (1 - FLOAT32_ERROR), highest: bounds.highest * (1 + FLOAT32_ERROR) };
}

/**
 * What no value of an honest update is beyond, before it is encoded, but for a probability under 1e-9.
 * @param plan of a unit that protects
 * @param round from 1
 */
export function largestHonestValue(
  plan: Pick<RunPlan, 'config' | 'noiseMultiplier' | 'trainedRanges'>,
  round: number,
): number {
  return largestValue(noiseLaw(plan, round));
}

function noiseLaw(
  plan: Pick<RunPlan, 'config' | 'noiseMultiplier' | 'trainedRanges'>,
  round: number,
): NoiseLaw {
  const { config, noiseMultiplier } = plan;
  const { privacy, training } = config;
  if (privacy.unit === 'none') throw new RangeError("expected a plan that protects, got unit 'none'");
  const { clippingNorm, learningRate, expectedBatchSize, samplingRate, localSteps } = training;
  const { start, end } = trainedRangeOf(plan, round);
  const count = end - start;
  const byExample = privacy.unit === 'example';
  const wanted = noiseMultiplier * GRID_UNITS * (byExample ? 1 : 2);
  const stdDevUnits = privacy.noise === 'discrete-gaussian' ? Math.ceil(wanted) : wanted;
  /** Length in the update of what has length C where it is noised. */
  const reach = byExample ? (learningRate * clippingNorm) / expectedBatchSize : clippingNorm;
  const gridStep = reach / GRID_UNITS;
  const rows = rowLimit(config);
  const mostDrawn = (steps: number) => {
    const mean = steps * samplingRate * rows;
    return Math.min(steps * rows, mean + Math.sqrt(2 * mean * T) + T / 3);
  };
  const drawError = DRAW_ERROR[privacy.noise] * gridStep + STEP_ERROR;
  return {
    count,
    steps: byExample ? localSteps : 1,
    stdDev: stdDevUnits * gridStep,
    errorOf: (steps) => steps * drawError * Math.sqrt(count),
    signalOf: (steps) => (byExample ? reach * mostDrawn(steps) : reach),
  };
}

function lowestNorm({ count, steps, stdDev, errorOf, signalOf }: NoiseLaw): number {
  const chi = Math.sqrt(Math.max(0, count - 2 * Math.sqrt(count * T)));
  let lowest = 0;
  for (let j = 1; j <= steps; j++) {
    const signal = j === 1 ? 0 : signalOf(j - 1);
    lowest = Math.max(lowest, stdDev * Math.sqrt(j) * chi - signal - errorOf(j));
  }
  return lowest;
}

function highestNorm({ count, steps, stdDev, errorOf, signalOf }: NoiseLaw): number {
  const chi = Math.sqrt(count + 2 * Math.sqrt(count * T) + 2 * T);
  const signal = signalOf(steps);
  const noise = stdDev * Math.sqrt(steps) * chi;
  const together =
    steps === 1
      ? Math.sqrt(signal ** 2 + 2 * signal * stdDev * Math.sqrt(2 * T) + noise ** 2)
      : signal + noise;
  return together + errorOf(steps);
}

/** P(|normal| > x) ≤ exp(−x²/2), for each of d values. */
function largestValue({ count, steps, stdDev, errorOf, signalOf }: NoiseLaw): number {
  const noise = stdDev * Math.sqrt(steps) * Math.sqrt(2 * (T + Math.log(count)));
  return noise + signalOf(steps) + errorOf(steps);
}

/** The window of the values as they are decoded; `largest` is the largest magnitude of a value before. */
function encoded(
  { lowest, highest }: NormWindow,
  largest: number,
  count: number,
  encoding: RunConfig['transport']['encoding'],
): NormWindow {
  switch (encoding) {
    case 'f32':
      return { lowest, highest };
    case 'f16': {
      const off = 2 ** -10 + 2 ** -24 * Math.sqrt(count); // the largest value is no longer than the vector
      return { lowest: lowest * (1 - off), highest: highest * (1 + off) };
    }
    case 'int8': {
      const across = Math.sqrt(2 * T) / INT8_STEPS;
      const step = Math.min(largest, highest) / INT8_STEPS;
      const squares = step ** 2 * (count / 4 + Math.sqrt((count * T) / 2));
      return {
        lowest: lowest * Math.sqrt(1 - across),
        highest: Math.sqrt(highest ** 2 * (1 + across) + squares),
      };
    }
  }
}
