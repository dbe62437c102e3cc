import { expect, test } from 'vitest';
import { normalCdf } from '../accounting/normal.ts';
import { TradeOffCurve } from './tradeOffCurve.ts';

/** Randomized response: the truth with probability e/(1 + e), so epsilon 1 and delta 0. */
const randomizedResponse = (epsilon: number) => Math.max(0, (Math.E - Math.exp(epsilon)) / (1 + Math.E));

test('of randomized response: two straight lines through (1/(1+e), 1/(1+e))', () => {
  const curve = new TradeOffCurve(randomizedResponse);
  const corner = 1 / (1 + Math.E);
  const exact = (a: number) => Math.max(1 - Math.E * a, (1 - a) / Math.E);
  for (const a of [0, 0.05, 0.2, corner, 0.4, 0.9, 1]) {
    const least = curve.leastFalseNegativeRate(a);
    expect(least).toBeLessThanOrEqual(exact(a) + 1e-12);
    expect(least).toBeGreaterThan(exact(a) - 0.02); // epsilon 1 lies between two of its epsilons
  }
});

test.each([
  // scipy: norm.cdf(norm.ppf(1 − a) − mu)
  [0.5, 0.05, 0.8738651018065696],
  [0.5, 0.7, 0.15282306995265454],
  [1, 0.001, 0.9817015315943434],
  [1, 0.05, 0.7404889771585558],
  [1, 0.3, 0.31717987036400425],
  [1, 0.7, 0.06370434605716797],
  [3, 0.05, 0.08768546324970355],
  [3, 0.3, 0.0066506348784847935],
])('of a Gaussian with distance %d at %d: just under %d', (distance, falsePositiveRate, exact) => {
  // Balle and Wang 2018, Theorem 8
  const curve = new TradeOffCurve(
    (epsilon) =>
      normalCdf(distance / 2 - epsilon / distance) -
      Math.exp(epsilon) * normalCdf(-distance / 2 - epsilon / distance),
  );
  const least = curve.leastFalseNegativeRate(falsePositiveRate);
  expect(least).toBeLessThanOrEqual(exact + 1e-9);
  expect(least).toBeGreaterThan(0.98 * exact - 1e-3);
});

test('a delta that is too large only lowers it, and no protection leaves nothing', () => {
  const loose = new TradeOffCurve((e) => Math.min(1, 2 * randomizedResponse(e) + 0.01));
  const tight = new TradeOffCurve(randomizedResponse);
  for (const a of [0, 0.1, 0.3, 0.6]) {
    expect(loose.leastFalseNegativeRate(a)).toBeLessThan(tight.leastFalseNegativeRate(a));
  }
  expect(new TradeOffCurve(() => 1).leastFalseNegativeRate(0)).toBe(0);
});
