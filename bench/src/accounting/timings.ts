import type * as Privacy from '@chorale/privacy';

/** The size that the aims are stated for: Opacus' test run. */
const STEPS = 2250;
const SAMPLING_RATE = 0.04;
const NOISE_MULTIPLIER = 1.5;
const DELTA = 1e-5;

export type Timing = { medianMs: number; worstMs: number; overRdp: number };

export type Timings = {
  rdpMs: number;
  pldEpsilon: Timing;
  calibration: Timing;
  /** Epsilon after 1, 2 … 50 rounds of 45 steps, as a page shows it. */
  fiftyRoundsMs: number;
};

/**
 * Times the accountants; the same code in Node and in a tab's worker. Every question is asked for the first time: nothing
 * comes out of a cache. Times are also given as multiples of one Rényi evaluation, which depend less on the machine.
 * @param runs evaluations per figure, after two that warm the compiler up
 */
export function timeAccounting(privacy: typeof Privacy, runs: number): Timings {
  const { dpSgdEvent, rdpEpsilon, pldEpsilon, reportedEpsilon, noiseMultiplierFor } = privacy;
  const steps = (noiseMultiplier: number, count: number) => dpSgdEvent(SAMPLING_RATE, noiseMultiplier, count);
  const time = (question: (i: number) => void): number[] => {
    const times: number[] = [];
    for (let i = -2; i < runs; i++) {
      const start = performance.now();
      question(i);
      if (i >= 0) times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b);
  };
  // The least bit of another noise or target is another question.
  const rdp = time((i) => void rdpEpsilon(steps(NOISE_MULTIPLIER + i * 1e-6, STEPS), DELTA));
  const rdpMs = median(rdp);
  const timing = (times: number[]): Timing => ({
    medianMs: round(median(times)),
    worstMs: round(times.at(-1)!),
    overRdp: round(median(times) / rdpMs),
  });
  const pld = time((i) => void pldEpsilon(steps(NOISE_MULTIPLIER + i * 1e-6, STEPS), DELTA));
  const calibration = time(
    (i) => void noiseMultiplierFor((noise) => steps(noise, STEPS), 8 + i * 1e-3, DELTA),
  );
  const start = performance.now();
  for (let rounds = 1; rounds <= 50; rounds++) {
    reportedEpsilon(steps(NOISE_MULTIPLIER + runs * 1e-3, 45 * rounds), DELTA);
  }
  return {
    rdpMs: round(rdpMs),
    pldEpsilon: timing(pld),
    calibration: timing(calibration),
    fiftyRoundsMs: round(performance.now() - start),
  };
}

export function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)]!;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
