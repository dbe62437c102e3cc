import { expect, test } from 'vitest';
import { erfc, normalCdf, scaledErfc } from './normal.ts';

// x, erfc(x), exp(x²)·erfc(x): computed with 40 digits (mpmath 1.3.0).
test.each([
  [-6, 2, 8622463094230390],
  [-1, 1.842700792949715, 5.008980080762283],
  [-0.3, 1.3286267594591274, 1.4537492328427657],
  [0, 1, 1],
  [0.1, 0.887537083981715, 0.8964569799691267],
  [0.46, 0.5153446099983203, 0.636787383832713],
  [0.5, 0.4795001221869535, 0.6156903441929259],
  [1, 0.15729920705028513, 0.427583576155807],
  [2, 0.004677734981047266, 0.25539567631050575],
  [4, 1.541725790028002e-8, 0.13699945762506138],
  [4.5, 1.9661604415428876e-10, 0.12248480427384142],
  [8, 1.1224297172982926e-29, 0.06998516620088092],
  [20, 5.395865611607901e-176, 0.02817434874105132],
])('erfc(%s)', (x, plain, scaled) => {
  expect(Math.abs(erfc(x) / plain - 1)).toBeLessThan(1e-14);
  expect(Math.abs(scaledErfc(x) / scaled - 1)).toBeLessThan(1e-14);
  // Rounding x·√2 alone moves the tail by x² roundings.
  expect(Math.abs(normalCdf(-x * Math.SQRT2) / (plain / 2) - 1)).toBeLessThan(1e-15 * (5 + x * x));
});

test('the ends', () => {
  expect(erfc(Infinity)).toBe(0);
  expect(erfc(-Infinity)).toBe(2);
  expect(normalCdf(-40)).toBe(0);
  expect(normalCdf(40)).toBe(1);
  expect(scaledErfc(-30)).toBe(Infinity);
  expect(scaledErfc(1e200)).toBeCloseTo(0, 100);
});
