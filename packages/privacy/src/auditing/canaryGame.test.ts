import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test } from 'vitest';
import { gaussianDelta } from '../accounting/gaussianProfile.ts';
import { BufferedUniform } from '../mechanism/random.ts';
import {
  contradicts,
  errorRates,
  noiseMultiplierUpper,
  plainEpsilonBound,
  refutation,
} from './canaryGame.ts';
import type { ErrorRates } from './canaryGame.ts';
import { canaryScorer, scoreThresholds } from './canaryScore.ts';
import { clopperPearsonUpper } from './clopperPearson.ts';
import { TradeOffCurve } from './tradeOffCurve.ts';

const rate = (falsePositiveUpper: number, falseNegativeUpper: number): ErrorRates => ({
  threshold: 0,
  falsePositiveRate: 0,
  falseNegativeRate: 0,
  falsePositiveUpper,
  falseNegativeUpper,
});

/** delta of randomized response. */
const deltaOf = (epsilon: number) => (e: number) =>
  Math.max(0, (Math.exp(epsilon) - Math.exp(e)) / (1 + Math.exp(epsilon)));
const randomizedResponse = (epsilon = 1) => new TradeOffCurve(deltaOf(epsilon));

describe('errorRates', () => {
  const scores = { present: [0, 1, 2, 3], absent: [-2, -1, 0, 1, 2] };

  test('counts a score at the threshold as absent', () => {
    const [first, second] = errorRates(scores, [0, 1], 0.1);
    expect(first).toMatchObject({ threshold: 0, falsePositiveRate: 2 / 5, falseNegativeRate: 1 / 4 });
    expect(second).toMatchObject({ threshold: 1, falsePositiveRate: 1 / 5, falseNegativeRate: 2 / 4 });
  });

  test('shares the error probability among all bounds of all thresholds', () => {
    const [first] = errorRates(scores, [0, 1], 0.1);
    expect(first!.falsePositiveUpper).toBe(clopperPearsonUpper(2, 5, 0.025));
    expect(first!.falseNegativeUpper).toBe(clopperPearsonUpper(1, 4, 0.025));
  });

  test('needs canaries of both kinds', () => {
    expect(() => errorRates({ present: [1], absent: [] }, [0], 0.1)).toThrow(RangeError);
    expect(() => errorRates({ present: [], absent: [1] }, [0], 0.1)).toThrow(RangeError);
  });
});

describe('refutation', () => {
  test('takes the point furthest below the curve, and none on or over it', () => {
    const [below, further, over] = [rate(0.1, 0.7), rate(0.1, 0.6), rate(0.3, 0.3)];
    expect(refutation([below, further, over], randomizedResponse())).toBe(further);
    expect(refutation([over], randomizedResponse())).toBeNull();
    expect(refutation([rate(0.1, 0.7)], randomizedResponse(3))).toBeNull();
  });
});

describe('plainEpsilonBound', () => {
  test('is the larger of both directions', () => {
    expect(plainEpsilonBound([rate(0.1, 0.4)], 0)).toBeCloseTo(Math.log(6), 12);
    expect(plainEpsilonBound([rate(0.4, 0.1)], 0)).toBeCloseTo(Math.log(6), 12);
    expect(plainEpsilonBound([rate(0.1, 0.4), rate(0.01, 0.5)], 0.1)).toBeCloseTo(Math.log(40), 12);
  });

  test('is 0 where nothing is shown', () => {
    expect(plainEpsilonBound([rate(1, 1), rate(0.6, 0.5), rate(1, 0.01)], 1e-5)).toBe(0);
  });
});

describe('noiseMultiplierUpper', () => {
  // As if noise s gave randomized response with epsilon 1/s
  const deltaFor = (noiseMultiplier: number) => deltaOf(1 / noiseMultiplier);
  // Just on the curve of epsilon 1 from below: contradicted by every larger noise
  const observed = [rate(1 / (1 + Math.E), 1 / (1 + Math.E) - 1e-4)];

  test.each([0.3, 1, 4])('finds it from %d', (claimed) => {
    const upper = noiseMultiplierUpper(observed, deltaFor, claimed)!;
    expect(upper).toBeGreaterThan(0.99);
    expect(upper).toBeLessThan(1.08); // 2 %, and the curve's own grid of epsilons
  });

  test('says null when nothing is contradicted', () => {
    expect(noiseMultiplierUpper([rate(0.9, 0.9)], deltaFor, 1)).toBeNull();
  });

  test('gives up far below the claim', () => {
    // No noise at all could do this
    expect(noiseMultiplierUpper([rate(1e-9, 1e-9)], deltaFor, 2)).toBeLessThan(0.1);
  });
});

test('contradicts says what refutation says', () => {
  const uniform = new BufferedUniform(seededRandom(3));
  const verdicts = Array.from({ length: 400 }, () => {
    const rates = [rate(uniform.next(), uniform.next()), rate(uniform.next(), uniform.next())];
    const epsilon = 3 * uniform.next();
    const contradicted = contradicts(rates, deltaOf(epsilon));
    expect(contradicted).toBe(refutation(rates, randomizedResponse(epsilon)) !== null);
    return contradicted;
  });
  expect(verdicts).toContain(true);
  expect(verdicts).toContain(false);
});

/** The Gaussian mechanism (sampling rate 1): its curve is known without an accountant. */
describe('on simulated Gaussian games', () => {
  const release = { samplingRate: 1, noiseMultiplier: 1, localSteps: 1 };
  const scores = (noiseMultiplier: number, canaries: number, seed: number) => {
    const uniform = new BufferedUniform(seededRandom(seed));
    const score = canaryScorer(release);
    const play = (mean: number) => () => {
      const normal = Math.sqrt(-2 * Math.log(uniform.next())) * Math.cos(2 * Math.PI * uniform.next());
      return score(mean + noiseMultiplier * normal);
    };
    return {
      present: Array.from({ length: canaries }, play(1)),
      absent: Array.from({ length: canaries }, play(0)),
    };
  };
  const curve = new TradeOffCurve((epsilon) => gaussianDelta(1, epsilon));

  test('the bounds hold as often as they should: no false alarm in 200 audits at 99.9 %', () => {
    const alarms = Array.from({ length: 200 }, (_, seed) =>
      refutation(errorRates(scores(1, 500, seed), scoreThresholds(release, 1), 1e-3), curve),
    ).filter((found) => found !== null);
    expect(alarms).toEqual([]);
  });

  test('three quarters of the noise are found out', () => {
    expect(
      refutation(errorRates(scores(0.75, 3000, 1), scoreThresholds(release, 1), 1e-3), curve),
    ).not.toBeNull();
  });
});
