import { expect, test } from 'vitest';
import { expectClose, relativeDifference } from './tolerance.ts';

test('the difference is relative to the largest expected value', () => {
  expect(relativeDifference([1, 4.5], [1, -5])).toBe(9.5 / 5);
  expect(relativeDifference([0, 0.25], [0, 0])).toBe(0.25);
  expect(relativeDifference([1, NaN], [1, 2])).toBeNaN();
});

test('expectClose refuses what is too far, NaN, and other lengths', () => {
  expect(expectClose([1.0001], [1], 1e-3)).toBeCloseTo(1e-4, 8);
  expect(() => expectClose([1.01], [1], 1e-3, 'weights')).toThrow(/weights: relative difference 0\.01/);
  expect(() => expectClose([NaN], [1], 1e-3)).toThrow(/NaN/);
  expect(() => expectClose([1, 1], [1], 1)).toThrow(/expected 1 values/);
  expect(() => expectClose([], [], 1)).toThrow(/at least one/);
});
