import { describe, expect, test } from 'vitest';
import { incompleteBeta, logGamma } from './incompleteBeta.ts';

/** Relative difference, absolute where the expected value is 0. */
const error = (value: number, expected: number) =>
  Math.abs(value - expected) / (expected === 0 ? 1 : Math.abs(expected));

test.each([
  // scipy.special.gammaln
  [0.5, 0.5723649429247],
  [1, 0],
  [2.5, 0.2846828704729192],
  [10, 12.801827480081469],
  [1234.5, 7550.550901077894],
  [1e6, 12815504.569147611],
])('log Γ(%d) = %d', (x, expected) => {
  expect(error(logGamma(x), expected)).toBeLessThan(1e-13);
});

describe('incompleteBeta', () => {
  test.each([
    // scipy.special.betainc, 1.17
    [0.5, 2, 3, 0.6875],
    [0.001, 5, 4000, 0.3719449063042294],
    [0.3, 0.5, 0.5, 0.36901011956554536],
    [0.02, 101, 4900, 0.473436445688328],
    [1e-4, 3, 10000, 0.08032899086535365],
    [0.5005, 500000, 500000, 0.8413447460685569],
  ])('I_%d(%d, %d)', (x, a, b, expected) => {
    expect(error(incompleteBeta(x, a, b), expected)).toBeLessThan(1e-9);
  });

  test('is the tail of a binomial, also where it is tiny', () => {
    // Pr[Bin(n, p) ≥ k], all terms positive, by recurrence
    const tail = (k: number, n: number, p: number) => {
      let term = (1 - p) ** n;
      let sum = 0;
      for (let j = 0; j <= n; j++) {
        if (j >= k) sum += term;
        term *= ((n - j) / (j + 1)) * (p / (1 - p));
      }
      return sum;
    };
    for (const [k, n, p] of [
      [1, 40, 0.01],
      [7, 40, 0.2],
      [30, 40, 0.1],
      [40, 40, 0.3],
      [90, 200, 0.2],
    ] as const) {
      expect(error(incompleteBeta(p, k, n - k + 1), tail(k, n, p))).toBeLessThan(1e-10);
    }
    expect(tail(30, 40, 0.1)).toBeLessThan(1e-20);
  });

  test('closed forms and ends', () => {
    expect(error(incompleteBeta(0.3, 1, 7), 1 - 0.7 ** 7)).toBeLessThan(1e-12);
    expect(error(incompleteBeta(0.3, 7, 1), 0.3 ** 7)).toBeLessThan(1e-12);
    expect(incompleteBeta(0, 3, 4)).toBe(0);
    expect(incompleteBeta(1, 3, 4)).toBe(1);
    expect(incompleteBeta(0.9, 3, 200)).toBe(1);
  });

  test.each([
    [-0.1, 1, 1],
    [1.1, 1, 1],
    [Number.NaN, 1, 1],
    [0.5, 0, 1],
    [0.5, 1, Infinity],
  ])('I_%d(%d, %d) is refused', (x, a, b) => {
    expect(() => incompleteBeta(x, a, b)).toThrow(RangeError);
  });
});
