import { expect, test } from 'vitest';
import { chiSquareExcess, moments, normalCdf, normalKsStatistic } from './statistics.ts';

test('the normal distribution function', () => {
  expect(normalCdf(0)).toBeCloseTo(0.5, 6);
  expect(normalCdf(1.959964)).toBeCloseTo(0.975, 6);
  expect(normalCdf(-3)).toBeCloseTo(0.0013499, 6);
});

test('moments', () => {
  expect(moments([1, 3, 1, 3])).toEqual({ mean: 2, stdDev: 1 });
});

test('the Kolmogorov-Smirnov statistic of the quantiles themselves is small, of other deviations it is not', () => {
  const uniform = Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 1000);
  // Quantiles of N(0, 1) by bisection
  const quantiles = uniform.map((p) => {
    let [low, high] = [-10, 10];
    for (let i = 0; i < 50; i++) {
      const middle = (low + high) / 2;
      if (normalCdf(middle) < p) low = middle;
      else high = middle;
    }
    return low;
  });
  expect(normalKsStatistic(quantiles, 1)).toBeCloseTo(0.5 / Math.sqrt(1000), 4);
  expect(normalKsStatistic(quantiles, 1.3)).toBeGreaterThan(1.5);
});

test('chi-square: exact counts are one mean below, wrong ones far above; rare cells are joined', () => {
  expect(chiSquareExcess([25, 50, 25], [0.25, 0.5, 0.25], 100)).toBeCloseTo(-2 / Math.sqrt(4), 10);
  // (10² + 10²)/50 = 4 with one degree of freedom
  expect(chiSquareExcess([60, 40], [0.5, 0.5], 100)).toBeCloseTo(3 / Math.sqrt(2), 10);
  expect(chiSquareExcess([50, 44, 3, 3], [0.5, 0.44, 0.03, 0.03], 100)).toBeCloseTo(-2 / Math.sqrt(4), 10);
  expect(chiSquareExcess([960, 40], [1, 0], 1000)).toBe(Infinity);
});
