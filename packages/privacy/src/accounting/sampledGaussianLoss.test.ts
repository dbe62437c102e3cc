import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { lossOfOutcome, outcomeOfLoss } from './sampledGaussianLoss.ts';

const rate = fc.double({ min: Math.log(1e-6), max: 0, noNaN: true }).map(Math.exp);
const noise = fc.double({ min: Math.log(0.1), max: Math.log(1e4), noNaN: true }).map(Math.exp);
const deviations = fc.double({ min: -11, max: 11, noNaN: true });

test('property: the loss is the logarithm of the ratio of the densities', () => {
  fc.assert(
    fc.property(rate, noise, deviations, (q, sigma, x) => {
      const z = x * sigma;
      const likelihoodRatio = Math.exp((2 * z - 1) / (2 * sigma ** 2));
      if (!(likelihoodRatio < 1e300)) return;
      const plain = Math.log(1 - q + q * likelihoodRatio);
      expect(Math.abs(lossOfOutcome(q, sigma, z) - plain)).toBeLessThan(
        1e-13 * (1 + Math.abs(plain)) + 2e-16 / q,
      );
    }),
  );
});

test('property: losses and outcomes are inverse to each other', () => {
  fc.assert(
    fc.property(rate, noise, deviations, (q, sigma, x) => {
      const loss = lossOfOutcome(q, sigma, x * sigma);
      const again = lossOfOutcome(q, sigma, outcomeOfLoss(q, sigma, loss));
      expect(Math.abs(again - loss)).toBeLessThan(1e-13 * Math.abs(loss) + 1e-300);
    }),
    { numRuns: 500 },
  );
});

test('tiny losses keep their digits', () => {
  // log1p(1e-6·expm1(1e-6)), and u = 1e-6 at z = σ²·1e-6 + 1/2
  expect(lossOfOutcome(1e-6, 1000, 1.5)).toBeCloseTo(1.0000005e-12, 22);
  expect(outcomeOfLoss(1e-6, 1000, 1.0000005000001e-12)).toBeCloseTo(1.5, 6);
});

test('the ends', () => {
  expect(outcomeOfLoss(0.3, 1, Math.log1p(-0.3) - 1e-9)).toBe(-Infinity);
  expect(outcomeOfLoss(0.3, 1, -5)).toBe(-Infinity);
  expect(lossOfOutcome(0.3, 1, -50)).toBeCloseTo(Math.log1p(-0.3), 15);
  expect(lossOfOutcome(1e-4, 0.1, 100)).toBeCloseTo(Math.log(1e-4) + 9950, 8);
  expect(lossOfOutcome(1, 2, 1)).toBe(0.125);
  expect(outcomeOfLoss(1, 2, 0.125)).toBe(1);
});
