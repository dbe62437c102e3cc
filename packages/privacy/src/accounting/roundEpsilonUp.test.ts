import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roundEpsilonUp } from './roundEpsilonUp.ts';

describe('roundEpsilonUp', () => {
  test('rounds up, never down, and keeps what needs no rounding', () => {
    expect(roundEpsilonUp(0)).toBe(0);
    expect(roundEpsilonUp(1.2341)).toBe(1.235);
    expect(roundEpsilonUp(1.234)).toBe(1.234);
    expect(roundEpsilonUp(1.005)).toBe(1.005);
    expect(roundEpsilonUp(2.0000001)).toBe(2.001);
    expect(roundEpsilonUp(2.01, 1)).toBe(2.1);
    expect(roundEpsilonUp(2.01, 0)).toBe(3);
    expect(roundEpsilonUp(1e-9)).toBe(0.001);
    expect(roundEpsilonUp(Infinity)).toBe(Infinity);
    expect(roundEpsilonUp(1e300)).toBe(1e300);
  });

  test('property: the smallest number of that many places that is not under epsilon', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e4, noNaN: true }),
        fc.integer({ min: 0, max: 6 }),
        (epsilon, digits) => {
          const reported = roundEpsilonUp(epsilon, digits);
          expect(reported).toBeGreaterThanOrEqual(epsilon);
          expect(Number(reported.toFixed(digits))).toBe(reported);
          const units = Math.round(reported * 10 ** digits);
          expect(units === 0 || (units - 1) / 10 ** digits < epsilon).toBe(true);
        },
      ),
    );
  });

  test('one step of floating point over a round number goes up', () => {
    for (const round of [2.001, 0.1, 5.367, 7.3, 8])
      expect(roundEpsilonUp(round * (1 + 2 ** -52))).toBeGreaterThan(round);
  });

  test.each([
    [-1, 3],
    [Number.NaN, 3],
    [1, -1],
    [1, 1.5],
    [1, 13],
  ])('roundEpsilonUp(%s, %s) is refused', (epsilon, digits) => {
    expect(() => roundEpsilonUp(epsilon, digits)).toThrow(RangeError);
  });
});
