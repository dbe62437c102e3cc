import { expect, test } from 'vitest';
import { axisFor, wholeAxis } from './axis.ts';

test.each([
  [
    [0.512, 0.689],
    [0.5, 0.55, 0.6, 0.65, 0.7],
  ],
  [
    [0, 6],
    [0, 2, 4, 6],
  ],
  [
    [1e-8, 5e-8],
    [1e-8, 2e-8, 3e-8, 4e-8, 5e-8],
  ],
  [
    [-3, 14],
    [-5, 0, 5, 10, 15],
  ],
])('%j: round ticks around all values', (values, ticks) => {
  expect(axisFor(values, 4)).toEqual({ from: ticks[0], to: ticks.at(-1), ticks });
});

test('one value alone, zero included, still has an axis of some height', () => {
  for (const value of [0, 1, 0.3, -2, 1e-9]) {
    const { from, to } = axisFor([value, value], 4);
    expect(from).toBeLessThan(to);
    expect(value).toBeGreaterThanOrEqual(from);
    expect(value).toBeLessThanOrEqual(to);
  }
});

test('rounds: whole numbers from the first to the last', () => {
  expect(wholeAxis(0, 10, 5)).toEqual({ from: 0, to: 10, ticks: [0, 2, 4, 6, 8, 10] });
  expect(wholeAxis(1, 3, 5)).toEqual({ from: 1, to: 3, ticks: [1, 2, 3] });
  expect(wholeAxis(0, 997, 5).ticks).toEqual([0, 200, 400, 600, 800]);
  expect(wholeAxis(1, 1, 5)).toEqual({ from: 1, to: 2, ticks: [1] });
});
