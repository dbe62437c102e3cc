import { expect, test } from 'vitest';
import { dpSgdEvent } from '../dpSgdEvent.ts';
import type { DpEvent } from '../events.ts';
import { noiseMultiplierFor, stepsWithin } from './calibration.ts';
import { rdpEpsilon } from './rdpAccountant.ts';
import { reportedEpsilon } from './reportedEpsilon.ts';

const EXAMPLE = { privacyUnit: 'example', neighbouringRelation: 'zero-out' } as const;

/** The target holds, and would not with the next smaller noise. */
function expectCalibrated(
  eventOf: (noiseMultiplier: number) => DpEvent,
  targetEpsilon: number,
  targetDelta: number,
): number {
  const sigma = noiseMultiplierFor(eventOf, targetEpsilon, targetDelta);
  expect(reportedEpsilon(eventOf(sigma), targetDelta).epsilon).toBeLessThanOrEqual(targetEpsilon);
  expect(reportedEpsilon(eventOf(sigma - 1e-4), targetDelta).epsilon).toBeGreaterThan(targetEpsilon);
  expect(Number(sigma.toFixed(4))).toBe(sigma);
  return sigma;
}

// privacy.md 1.5: smallest noise by tight accounting at delta 1e-5 (dp.json, calibration_derived); theirs is at most 2e-4
// of epsilon too careful
test.each([
  [0.02, 100, 1, 1.1627],
  [0.05, 200, 1, 2.83868],
  [0.05, 200, 8, 0.78689],
  [0.1, 100, 8, 0.93593],
  [0.1, 1000, 4, 3.53085],
  [0.25, 500, 1, 20.92371],
  [1, 1000, 4, 34.18934],
])('the noise of tight accounting: q %s, %s steps, epsilon %s', (q, count, epsilon, tight) => {
  const sigma = expectCalibrated((noise) => dpSgdEvent(q, noise, count), epsilon, 1e-5);
  expect(sigma).toBeGreaterThan(tight * (1 - 3e-4) - 1e-4);
  expect(sigma).toBeLessThan(tight * (1 + 1e-4) + 1e-4);
});

test('less noise than other libraries take, where they are careful', () => {
  // opacus/tests/accountants_test.py:146 (RDP, 1.416) and :177 (PRV, 1.34765625)
  const sigma = expectCalibrated((noise) => dpSgdEvent(0.04, noise, 2250), 8, 1e-5);
  expect(sigma).toBeLessThan(1.34765625);
  expect(sigma).toBeGreaterThan(1.34);
});

test('what an event holds beside is paid for first', () => {
  const withCounts =
    (countNoise: number) =>
    (noiseMultiplier: number): DpEvent => ({
      type: 'self-composed',
      count: 10,
      event: {
        type: 'composed',
        events: [
          dpSgdEvent(0.05, noiseMultiplier, 10),
          { type: 'gaussian', ...EXAMPLE, noiseMultiplier: countNoise },
        ],
      },
    });
  const alone = expectCalibrated((noise) => dpSgdEvent(0.05, noise, 100), 4, 1e-5);
  const cheapCounts = expectCalibrated(withCounts(100), 4, 1e-5);
  const dearCounts = expectCalibrated(withCounts(6), 4, 1e-5);
  expect(cheapCounts).toBeGreaterThan(alone);
  expect(cheapCounts).toBeLessThan(1.02 * alone);
  expect(dearCounts).toBeGreaterThan(1.05 * alone);
  // Ten counts of noise 1 cost more than 4 by themselves.
  expect(() => noiseMultiplierFor(withCounts(1), 4, 1e-5)).toThrow(/1000000 leaves \d+/);
});

test('very large epsilons end at the smallest multiplier', () => {
  expect(noiseMultiplierFor((noise) => dpSgdEvent(0.05, noise, 1), 1e9, 1e-5)).toBe(0.01);
  expectCalibrated((noise) => dpSgdEvent(0.05, noise, 10), 40, 1e-5);
  expectCalibrated((noise) => dpSgdEvent(0.05, noise, 10), 1000, 1e-5); // below 0.1, where Rényi accounting counts
});

test('epsilons below what Rényi accounting can show', () => {
  const eventOf = (noise: number) => dpSgdEvent(1, noise, 100);
  expect(rdpEpsilon(eventOf(1e6), 1e-5)).toBeGreaterThan(0.001);
  const sigma = expectCalibrated(eventOf, 0.001, 1e-5);
  // delta 1e-5 at epsilon 0.001 by one Gaussian of noise sigma/10
  expect(sigma).toBeGreaterThan(1000);
});

test.each([
  [0, 1e-5],
  [Number.NaN, 1e-5],
  [Infinity, 1e-5],
  [1, 0],
  [1, 1],
])('target epsilon %s, delta %s is refused', (epsilon, delta) => {
  expect(() => noiseMultiplierFor((noise) => dpSgdEvent(0.05, noise, 100), epsilon, delta)).toThrow(
    RangeError,
  );
});

test('an event that cannot be is refused', () => {
  expect(() => noiseMultiplierFor((noise) => dpSgdEvent(1.5, noise, 100), 1, 1e-5)).toThrow(RangeError);
  expect(() => noiseMultiplierFor((noise) => dpSgdEvent(0.5, noise, 1.5), 1, 1e-5)).toThrow(RangeError);
});

test('stepsWithin is the last count before the limit, whatever was spent before', () => {
  const event = dpSgdEvent(0.05, 1, 10);
  const spentBefore: (DpEvent | null)[] = [null, dpSgdEvent(0.05, 1, 55), dpSgdEvent(0.2, 4, 100)];
  for (const spent of spentBefore) {
    for (const epsilonLimit of [2.5, 4.1, 8]) {
      const after = (count: number): DpEvent => ({
        type: 'composed',
        events: [...(spent === null ? [] : [spent]), { type: 'self-composed', event, count }],
      });
      const count = stepsWithin({ spent, event, epsilonLimit, delta: 1e-5, most: 1000 });
      // With nothing more it is what was spent, which may be too much already.
      const held = reportedEpsilon(after(count), 1e-5).epsilon;
      expect(count === 0 || held <= epsilonLimit).toBe(true);
      expect(reportedEpsilon(after(count + 1), 1e-5).epsilon).toBeGreaterThan(epsilonLimit);
    }
  }
});

test('stepsWithin at the ends', () => {
  const event = dpSgdEvent(0.05, 1, 10);
  const within = (change: Partial<Parameters<typeof stepsWithin>[0]>) =>
    stepsWithin({ spent: null, event, epsilonLimit: 4, delta: 1e-5, most: 30, ...change });
  expect(within({ epsilonLimit: 0 })).toBe(0);
  expect(within({ epsilonLimit: Infinity })).toBe(30);
  expect(within({ epsilonLimit: Infinity, event: { type: 'non-private' } })).toBe(30);
  expect(within({ event: { type: 'non-private' } })).toBe(0);
  expect(within({ most: 0 })).toBe(0);
  expect(within({ most: 3 })).toBe(3);
  expect(within({ epsilonLimit: 1 })).toBe(0);
  expect(within({ spent: dpSgdEvent(0.05, 1, 1000) })).toBe(0);
  // Steps that cost nothing at this delta do not end.
  expect(within({ event: dpSgdEvent(1e-9, 1, 1), most: 1000 })).toBe(1000);
  expect(
    within({ event: dpSgdEvent(1e-4, 1, 1), delta: 1e-2, epsilonLimit: 0, most: 10_000 }),
  ).toBeGreaterThan(10);
  expect(() => within({ most: 1.5 })).toThrow(RangeError);
  expect(() => within({ epsilonLimit: -1 })).toThrow(RangeError);
  expect(() => within({ delta: 0 })).toThrow(RangeError);
});
