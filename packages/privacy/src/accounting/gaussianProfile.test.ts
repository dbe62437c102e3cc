import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { gaussianDelta, gaussianEpsilon } from './gaussianProfile.ts';

// mu, epsilon, delta: dp.json, derived.gaussian_delta (15 digits, independent of this code)
test.each([
  [0.25, 0, 0.0994764496602258],
  [0.25, 8, 2.30302653272248e-225],
  [0.5, 1, 0.00682959498311458],
  [0.5, 4, 2.70603380295691e-16],
  [1, 4, 4.71224120079312e-5],
  [2, 1, 0.50986166005467],
  [4, 4, 0.767642810808157],
])('delta at mu %s, epsilon %s', (mu, epsilon, delta) => {
  expect(Math.abs(gaussianDelta(mu, epsilon) / delta - 1)).toBeLessThan(1e-13);
});

// 1/mu, delta, epsilon: dp.json, derived.gaussian_eps
test.each([
  [1, 1e-5, 4.37717809568122],
  [1, 1e-8, 5.77609838289027],
  [4, 1e-8, 1.29268005381999],
])('epsilon at noise %s, delta %s', (noise, delta, epsilon) => {
  const ratio = gaussianEpsilon(1 / noise, delta) / epsilon;
  expect(ratio).toBeGreaterThan(1 - 1e-14);
  expect(ratio).toBeLessThan(1 + 1e-11);
});

test('property: epsilon is the smallest that keeps delta', () => {
  const logUniform = (low: number, high: number) =>
    fc.double({ min: Math.log(low), max: Math.log(high), noNaN: true }).map(Math.exp);
  fc.assert(
    fc.property(logUniform(1e-3, 300), logUniform(1e-12, 0.5), (mu, delta) => {
      const epsilon = gaussianEpsilon(mu, delta);
      expect(gaussianDelta(mu, epsilon)).toBeLessThanOrEqual(delta);
      const lessDoesNot = epsilon === 0 || gaussianDelta(mu, epsilon * (1 - 1e-6)) > delta;
      expect(lessDoesNot).toBe(true);
    }),
  );
  expect(gaussianEpsilon(1, 0.5)).toBe(0);
});
