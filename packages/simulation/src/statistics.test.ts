import { expect, test } from 'vitest';
import { spreadOf } from './statistics.ts';

test('mean and sample standard deviation', () => {
  // (−2)² + 0² + 2² = 8 over 3 − 1
  expect(spreadOf([1, 3, 5])).toEqual({ mean: 3, sd: 2 });
  expect(spreadOf([4])).toEqual({ mean: 4, sd: null });
  expect(spreadOf([])).toBeNull();
});
