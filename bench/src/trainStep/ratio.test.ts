import { expect, test } from 'vitest';
import { median, timeRatio } from './ratio.ts';

test('the median of paired ratios, their spread, and the ratio of medians, which can be another number', () => {
  // Pairs: 2/1, 1/4, 9/3: 2, 0.25, 3; medians 2 and 3
  expect(timeRatio([2, 1, 9], [1, 4, 3])).toEqual({
    median: 2,
    min: 0.25,
    max: 3,
    ofMedians: 0.667,
    repetitions: 3,
  });
});

test('an even number of repetitions: the mean of the two in the middle', () => {
  expect(median([7, 1, 3, 5])).toBe(4);
  expect(median([2])).toBe(2);
  expect(timeRatio([1, 3], [1, 1]).median).toBe(2);
});

test('times that were not measured have no ratio', () => {
  expect(() => timeRatio([], [])).toThrow(/got 0 and 0/);
  expect(() => timeRatio([1, 2], [1])).toThrow(/got 2 and 1/);
});
