import { dpSgdEvent, pldEpsilon } from '@chorale/privacy';
import type { Accuracy } from '@chorale/privacy/testing/accuracy';
import { accuracyOf } from '@chorale/privacy/testing/accuracy';
import { seededRandom } from '@chorale/testing';
import { median } from './timings.ts';

export type SweepRow = {
  against: Accuracy['against'];
  draws: number;
  /** Answers under the tight value less 1e-6: must be 0. */
  under: number;
  /** Worst slack over what is promised, max(0.2 %, 5e-4): must be at most 1. */
  worstOfPromise: number;
  worst: { samplingRate: number; noiseMultiplier: number; count: number; delta: number; epsilon: number };
};

export type Sweep = { draws: number; refused: number; medianMs: number; worstMs: number; rows: SweepRow[] };

/** Random parameters over the whole range that is promised, log-uniform in each. */
export function sweepAccuracy(draws: number, seed: number, onProgress: (done: number) => void): Sweep {
  const random = uniformNumbers(seed);
  const logUniform = (low: number, high: number) => low * (high / low) ** random();
  const rows = new Map<Accuracy['against'], SweepRow>();
  const times: number[] = [];
  let refused = 0;
  for (let i = 0; i < draws; i++) {
    const step = {
      samplingRate: logUniform(1e-4, 0.9999),
      noiseMultiplier: logUniform(0.3, 100),
      // Every third draw has few steps, where a loss has the least to do with a normal distribution.
      count: Math.round(i % 3 === 0 ? logUniform(0.6, 20) : logUniform(1, 1e5)),
    };
    const delta = logUniform(1e-10, 1e-2);
    const start = performance.now();
    let epsilon: number;
    try {
      epsilon = pldEpsilon(dpSgdEvent(step.samplingRate, step.noiseMultiplier, step.count), delta);
    } catch {
      refused++;
      continue;
    }
    times.push(performance.now() - start);
    const { against, isBound, slack } = accuracyOf(step, delta, epsilon);
    const ofPromise = Number((slack / Math.max(0.002 * (epsilon - slack), 5e-4)).toPrecision(2));
    const row = rows.get(against) ?? {
      against,
      draws: 0,
      under: 0,
      worstOfPromise: -1,
      worst: { ...step, delta, epsilon },
    };
    row.draws++;
    if (!isBound) row.under++;
    if (ofPromise > row.worstOfPromise) {
      row.worstOfPromise = ofPromise;
      row.worst = { ...step, delta, epsilon };
    }
    rows.set(against, row);
    onProgress(i + 1);
  }
  times.sort((a, b) => a - b);
  return {
    draws,
    refused,
    medianMs: Math.round(median(times)),
    worstMs: Math.round(times.at(-1)!),
    rows: [...rows.values()],
  };
}

/** Repeatable numbers in [0, 1). */
function uniformNumbers(seed: number): () => number {
  const { fill } = seededRandom(seed);
  const word = new Uint32Array(1);
  const bytes = new Uint8Array(word.buffer);
  return () => {
    fill(bytes);
    return word[0]! / 2 ** 32;
  };
}
