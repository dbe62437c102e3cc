import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clipFactor, clipFactors } from './clip.ts';

test('flat: short gradients stay, long ones are brought under C, zeros stay zeros', () => {
  const factors = clipFactors(Float32Array.of(0, 0.25, 4, 100, 1e38), 2, 'flat');
  expect(factors[0]).toBe(1);
  expect(factors[1]).toBe(1);
  expect(factors[2]).toBeCloseTo(0.9999, 6); // exactly at C: brought under the margin
  expect(factors[3]).toBeCloseTo(0.2 * 0.9999, 6);
  expect(factors[4]! * Math.sqrt(1e38)).toBeCloseTo(2 * 0.9999, 4);
});

test('automatic: C(1 − 1e-4)/(norm + 0.01), for short and long gradients alike', () => {
  const factors = clipFactors(Float32Array.of(0, 1e-4, 0.25, 100), 2, 'automatic');
  expect(factors[0]).toBeCloseTo(1.9998 / 0.01, 3);
  expect(factors[1]).toBeCloseTo(1.9998 / 0.02, 4);
  expect(factors[2]).toBeCloseTo(1.9998 / 0.51, 6);
  expect(factors[3]).toBeCloseTo(1.9998 / 10.01, 6);
});

test.each(['flat', 'automatic'] as const)('%s: an example whose norm is not finite is dropped', (rule) => {
  const factors = clipFactors(Float32Array.of(Number.NaN, Infinity, -Infinity, -1, 1), 1, rule);
  expect([...factors.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
  expect(factors[4]).toBeGreaterThan(0.9);
  expect(clipFactor(Number.NaN, 1, rule)).toBe(0);
});

test('the input is not changed and no example is no factor', () => {
  const squared = Float32Array.of(9, 16);
  clipFactors(squared, 1, 'flat');
  expect(squared).toEqual(Float32Array.of(9, 16));
  expect(clipFactors(new Float32Array(), 1, 'flat')).toHaveLength(0);
});

test.each([0, -1, Number.NaN, Infinity, 1e-13, 1.1e12])('clippingNorm %s is refused', (norm) => {
  expect(() => clipFactors(Float32Array.of(1), norm, 'flat')).toThrow(RangeError);
  expect(() => clipFactors(new Float32Array(), norm, 'automatic')).toThrow(RangeError);
});

describe.each(['flat', 'automatic'] as const)('property, %s', (rule) => {
  test('the norm computed in float32 may be 5e-5 too small, and the clipped gradient is still within C', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        (values, clippingNorm) => {
          const gradient = Float32Array.from(values);
          const squared = gradient.reduce((sum, v) => sum + v * v, 0);
          const factor = clipFactors(Float32Array.of(squared * (1 - 1e-4)), clippingNorm, rule)[0]!;
          const clipped = gradient.map((v) => v * factor);
          const norm = Math.sqrt(clipped.reduce((sum, v) => sum + v * v, 0));
          expect(norm).toBeLessThanOrEqual(clippingNorm);
          if (rule === 'automatic') return;
          expect(factor).toBeLessThanOrEqual(1);
          // and no tighter than the margin asks for
          expect(norm).toBeGreaterThan(Math.min(Math.sqrt(squared), clippingNorm) * 0.9998 - 1e-12);
        },
      ),
    );
  });
});
