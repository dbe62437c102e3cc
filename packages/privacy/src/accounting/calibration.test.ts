import { describe, expect, test } from 'vitest';
import { noiseMultiplierFor } from './calibration.ts';
import { dpReference } from './dpReference.fixture.ts';
import { rdpEpsilon } from './rdpAccountant.ts';

function epsilonOf(samplingRate: number, noiseMultiplier: number, count: number, delta: number): number {
  return rdpEpsilon(
    {
      type: 'self-composed',
      count,
      event: {
        type: 'poisson-sampled-gaussian',
        privacyUnit: 'example',
        neighbouringRelation: 'zero-out',
        samplingRate,
        noiseMultiplier,
      },
    },
    delta,
  );
}

function expectCalibrated(
  targetEpsilon: number,
  targetDelta: number,
  samplingRate: number,
  steps: number,
): number {
  const sigma = noiseMultiplierFor({ targetEpsilon, targetDelta, samplingRate, steps });
  expect(epsilonOf(samplingRate, sigma, steps, targetDelta)).toBeLessThanOrEqual(targetEpsilon);
  expect(epsilonOf(samplingRate, sigma - 1e-4, steps, targetDelta)).toBeGreaterThan(targetEpsilon);
  expect(Number(sigma.toFixed(4))).toBe(sigma);
  return sigma;
}

// paper.md 1.3: demo-scale noise by Opacus' RDP analysis at delta 1e-5, two digits; n, B, T, then epsilon 8, 6, 3, 1
test.each([
  [200, 32, 100, [1.31, 1.58, 2.63, 6.67]],
  [500, 32, 150, [0.88, 1.01, 1.49, 3.39]],
  [1000, 64, 200, [0.93, 1.08, 1.63, 3.86]],
  [2000, 64, 200, [0.7, 0.79, 1.07, 2.09]],
])('demo scale: %s rows, batch %s, %s steps', (rows, batch, steps, expected) => {
  [8, 6, 3, 1].forEach((epsilon, i) => {
    expect(Math.abs(expectCalibrated(epsilon, 1e-5, batch / rows, steps) - expected[i]!)).toBeLessThan(
      0.0051,
    );
  });
});

// privacy.md 1.5: smallest noise by tight accounting at delta 1e-5 (dp.json, calibration_derived)
test.each([
  [0.02, 100, 1, 1.1627],
  [0.05, 200, 1, 2.83868],
  [0.05, 200, 8, 0.78689],
  [0.1, 100, 8, 0.93593],
  [0.1, 1000, 4, 3.53085],
  [0.25, 500, 1, 20.92371],
  [1, 1000, 4, 34.18934],
])('over tight accounting and within 15 %%: q %s, %s steps, epsilon %s', (q, steps, epsilon, tight) => {
  const sigma = expectCalibrated(epsilon, 1e-5, q, steps);
  expect(sigma).toBeGreaterThanOrEqual(tight);
  expect(sigma).toBeLessThan(1.15 * tight);
});

test('the calibration of Opacus', () => {
  // opacus/tests/accountants_test.py:146, epsilon_tolerance 0.01 returns the higher end
  expect(Math.abs(expectCalibrated(8, 1e-5, 0.04, 2250) - 1.416)).toBeLessThan(0.002);
});

test('very large epsilons end at the smallest multiplier', () => {
  expect(noiseMultiplierFor({ targetEpsilon: 1e9, targetDelta: 1e-5, samplingRate: 0.05, steps: 1 })).toBe(
    0.01,
  );
  expectCalibrated(40, 1e-5, 0.05, 10);
  expectCalibrated(300, 1e-5, 0.05, 10); // below 0.2, where only integer orders count
});

test.each([
  { targetEpsilon: 0.001 },
  { targetEpsilon: 0 },
  { targetEpsilon: Number.NaN },
  { targetEpsilon: Infinity },
  { targetDelta: 0 },
  { targetDelta: 1 },
  { samplingRate: 0 },
  { samplingRate: 1.5 },
  { steps: 0 },
  { steps: 1.5 },
])('%o is refused', (change) => {
  const target = { targetEpsilon: 1, targetDelta: 1e-5, samplingRate: 0.05, steps: 100, ...change };
  expect(() => noiseMultiplierFor(target)).toThrow(RangeError);
});

describe.skipIf(dpReference === null)('all calibrations of ../shared/reference/dp.json', () => {
  test('over tight accounting and within 15 %', () => {
    expect(dpReference!.calibration_derived.length).toBeGreaterThan(40);
    for (const row of dpReference!.calibration_derived) {
      const sigma = expectCalibrated(row.target_eps, row.delta, row.q, row.steps);
      expect(sigma).toBeGreaterThanOrEqual(row.sigma);
      expect(sigma).toBeLessThan(1.15 * row.sigma);
    }
  });
});
