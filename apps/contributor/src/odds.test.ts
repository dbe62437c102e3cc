import { expect, test } from 'vitest';
import { bestGuess, timesInHundred } from './odds.ts';

test('no release, no better than blind', () => {
  expect(bestGuess(0, 0)).toBe(0.5);
  expect(timesInHundred(0, 0)).toBe(50);
});

test('agrees with the formula written the other way round', () => {
  for (const epsilon of [0.1, 0.5, 1, 2, 4, 8]) {
    for (const delta of [0, 1e-5, 0.01]) {
      expect(bestGuess(epsilon, delta)).toBeCloseTo(
        (Math.exp(epsilon) + delta) / (1 + Math.exp(epsilon)),
        12,
      );
    }
  }
});

// 1 / (1 + e^-epsilon): 0.62246, 0.73106, 0.88080, 0.98201, 0.99966; rounded up, since it is "at most".
test.each([
  [0.5, 63],
  [1, 74],
  [2, 89],
  [4, 99],
  [8, 99.97],
  [20, 100],
])('epsilon %d gives at most %d times in 100', (epsilon, times) => {
  expect(timesInHundred(epsilon, 0)).toBe(times);
});

test('a large epsilon neither overflows nor exceeds certainty', () => {
  expect(bestGuess(5000, 1e-5)).toBe(1);
  expect(bestGuess(0, 1)).toBe(1);
});

test('delta makes it worse', () => {
  expect(bestGuess(1, 0.1)).toBeGreaterThan(bestGuess(1, 0));
});
