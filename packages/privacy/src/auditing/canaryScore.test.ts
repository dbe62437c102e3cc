import { describe, expect, test } from 'vitest';
import { canaryScorer, scoreThresholds } from './canaryScore.ts';
import type { CanaryRelease } from './canaryScore.ts';

const RELEASES: CanaryRelease[] = [
  { samplingRate: 0.05, noiseMultiplier: 1, localSteps: 1 },
  { samplingRate: 1, noiseMultiplier: 5, localSteps: 1 },
  { samplingRate: 0.3, noiseMultiplier: 0.6, localSteps: 4 },
  { samplingRate: 1, noiseMultiplier: 3, localSteps: 3 },
];

describe.each(RELEASES)('%j', (release) => {
  const { samplingRate: q, noiseMultiplier, localSteps } = release;
  const stdDev = noiseMultiplier * Math.sqrt(localSteps);
  const density = (x: number, mean: number) => Math.exp(-((x - mean) ** 2) / (2 * stdDev ** 2));
  const score = canaryScorer(release);

  test('is the log of the two densities, coins written out one by one', () => {
    const present = (x: number) => {
      let sum = 0;
      for (let coins = 0; coins < 2 ** localSteps; coins++) {
        let heads = 0;
        for (let step = 0; step < localSteps; step++) heads += (coins >> step) & 1;
        sum += q ** heads * (1 - q) ** (localSteps - heads) * density(x, heads);
      }
      return sum;
    };
    for (const x of [-3, -0.5, 0, 0.5, 1, 2.5, 6]) {
      expect(score(x)).toBeCloseTo(Math.log(present(x) / density(x, 0)), 10);
    }
  });

  test('neither overflows nor underflows far out', () => {
    expect(Number.isFinite(score(1e4))).toBe(true);
    expect(Number.isFinite(score(-1e4))).toBe(true);
    expect(score(1e4)).toBeGreaterThan(score(1e3));
  });

  test('thresholds surround the scores of absent canaries', () => {
    // Mean and variance by a plain sum over a grid
    let [weight, first, second] = [0, 0, 0];
    for (let x = -10 * stdDev; x <= 10 * stdDev; x += stdDev / 500) {
      weight += density(x, 0);
      first += density(x, 0) * score(x);
      second += density(x, 0) * score(x) ** 2;
    }
    const mean = first / weight;
    const deviation = Math.sqrt((100 * second) / weight - 100 * mean ** 2);
    const thresholds = scoreThresholds(release, 100);
    expect(Math.min(...thresholds)).toBeCloseTo(100 * mean - 5.5 * deviation, 3);
    expect(thresholds.some((t) => Math.abs(t - (100 * mean + 8 * deviation)) < 1e-3)).toBe(true);
  });
});
