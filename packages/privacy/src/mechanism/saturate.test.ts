import { expect, test } from 'vitest';
import { LARGEST_FLOAT32, saturate } from './saturate.ts';

test('it is the largest float32', () => {
  expect(Math.fround(LARGEST_FLOAT32)).toBe(LARGEST_FLOAT32);
  expect(Math.fround(LARGEST_FLOAT32 * (1 + 2 ** -24))).toBe(Infinity);
});

test('what float32 can hold stays, the rest is the largest of its sign; no NaN becomes a number', () => {
  for (const value of [0, -1e-45, 0.1, -LARGEST_FLOAT32]) expect(saturate(value)).toBe(value);
  expect(saturate(3.5e38)).toBe(LARGEST_FLOAT32);
  expect(saturate(-Infinity)).toBe(-LARGEST_FLOAT32);
  expect(saturate(Number.NaN)).toBeNaN();
});
