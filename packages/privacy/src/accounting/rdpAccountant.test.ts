import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dpReference } from './dpReference.fixture.ts';
import type { DpEvent, PoissonSampledGaussianEvent } from '../events.ts';
import { RDP_ORDERS, rdpEpsilon, rdpOfEvent, rdpSupports } from './rdpAccountant.ts';

function gaussian(samplingRate: number, noiseMultiplier: number): PoissonSampledGaussianEvent {
  return {
    type: 'poisson-sampled-gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    samplingRate,
    noiseMultiplier,
  };
}

function steps(samplingRate: number, noiseMultiplier: number, count: number): DpEvent {
  return { type: 'self-composed', event: gaussian(samplingRate, noiseMultiplier), count };
}

// q, σ, T, Opacus 1.5.4 RDP (run), tight value (independent PLD); delta 1e-5. Copied from dp.json, library_runs.
test.each([
  [0.04, 1.5, 2250, 7.3291111714386545, 6.7687804],
  [0.05, 1, 200, 5.367640841571381, 4.76591936],
  [0.05, 1, 500, 8.296681394517947, 7.52369426],
  [0.05, 0.7, 200, 11.977264971460608, 10.55023317],
  [0.05, 2, 200, 1.7213067939455455, 1.56060381],
  [0.01, 4, 10_000, 1.0354900660362476, 0.9468668],
])(
  'epsilon at q %s, σ %s, %s steps is that of Opacus, over the tight one',
  (q, sigma, count, opacus, tight) => {
    const epsilon = rdpEpsilon(steps(q, sigma, count), 1e-5);
    expect(Math.abs(epsilon / opacus - 1)).toBeLessThan(1e-9);
    expect(epsilon).toBeGreaterThan(tight);
    expect(epsilon).toBeLessThan(1.33 * tight);
  },
);

// paper.md 1.3: golden vectors of the research, four digits
test.each([
  [0.01, 1, 1000, 2.1014],
  [0.02, 0.8, 300, 4.4599],
  [0.05, 1.1, 600, 7.6069],
  [0.1, 2, 100, 2.5806],
  [0.25, 3, 200, 6.0954],
  [1, 10, 50, 3.189],
  [200 / (67_349 / 3), 0.99, 10_000, 5.9908],
])('epsilon at q %s, σ %s, %s steps', (q, sigma, count, expected) => {
  expect(rdpEpsilon(steps(q, sigma, count), 1e-5)).toBeCloseTo(expected, 4);
});

test('without sampling it lies over the exact Gaussian value', () => {
  // dp.json, derived.gaussian_eps: one step, σ 1
  expect(rdpEpsilon(gaussian(1, 1), 1e-5)).toBeGreaterThan(4.37717809568122);
  expect(rdpEpsilon(gaussian(1, 1), 1e-6)).toBeGreaterThan(4.88655411746221);
  expect(rdpEpsilon(gaussian(1, 1), 1e-5)).toBeLessThan(4.37717809568122 * 1.1);
});

describe.skipIf(dpReference === null)('all runs of ../shared/reference/dp.json', () => {
  test('not under the tight value, not over Opacus', () => {
    expect(dpReference!.library_runs.rows.length).toBeGreaterThan(10);
    for (const row of dpReference!.library_runs.rows) {
      const epsilon = rdpEpsilon(steps(row.q, row.sigma, row.steps), row.delta);
      expect(epsilon).toBeGreaterThan(row.own_extrapolated);
      expect(epsilon).toBeLessThan(row.opacus_rdp[0] * (1 + 1e-9));
      expect(epsilon).toBeGreaterThan(row.opacus_rdp[0] * 0.999);
    }
  });
});

describe('composition', () => {
  const orders = [1.5, 2, 8, 64];

  test('adds up, however it is nested', () => {
    const one = rdpOfEvent(gaussian(0.05, 1), orders);
    const nested: DpEvent = {
      type: 'composed',
      events: [
        steps(0.05, 1, 3),
        { type: 'self-composed', event: steps(0.05, 1, 2), count: 2 },
        gaussian(0.05, 1),
      ],
    };
    rdpOfEvent(nested, orders).forEach((value, i) => expect(value).toBeCloseTo(8 * one[i]!, 12));
  });

  test('mixes mechanisms of different parameters', () => {
    const a = rdpOfEvent(gaussian(0.05, 1), orders);
    const b = rdpOfEvent(gaussian(0.2, 3), orders);
    const both = rdpOfEvent({ type: 'composed', events: [gaussian(0.05, 1), gaussian(0.2, 3)] }, orders);
    both.forEach((value, i) => expect(value).toBeCloseTo(a[i]! + b[i]!, 14));
  });

  test('nothing costs nothing', () => {
    expect(rdpEpsilon({ type: 'composed', events: [] }, 1e-5)).toBe(0);
    expect(rdpEpsilon(steps(0.05, 1, 0), 1e-5)).toBe(0);
    expect(rdpEpsilon({ type: 'self-composed', event: { type: 'non-private' }, count: 0 }, 1e-5)).toBe(0);
  });

  test('one release without protection makes everything infinite', () => {
    const event: DpEvent = { type: 'composed', events: [steps(0.05, 1, 3), { type: 'non-private' }] };
    expect(rdpSupports(event)).toBe(true);
    expect(rdpEpsilon(event, 1e-5)).toBe(Infinity);
    expect(rdpEpsilon({ type: 'composed', events: [event, steps(0.05, 1, 1)] }, 1e-5)).toBe(Infinity);
  });

  test('values kept for the next question do not leak into another plan', () => {
    const first = rdpEpsilon(gaussian(0.05, 1), 1e-5);
    const second = rdpEpsilon(gaussian(0.05, 2), 1e-5);
    expect(second).toBeLessThan(first);
    expect(rdpEpsilon(gaussian(0.06, 1), 1e-5)).toBeGreaterThan(first);
    expect(rdpEpsilon(gaussian(0.05, 1), 1e-5)).toBe(first);
    rdpOfEvent(gaussian(0.05, 1), RDP_ORDERS).fill(0);
    expect(rdpEpsilon(gaussian(0.05, 1), 1e-5)).toBe(first);
  });
});

describe('refusals', () => {
  test.each([
    gaussian(0, 1),
    gaussian(1.1, 1),
    gaussian(Number.NaN, 1),
    gaussian(0.5, 0),
    gaussian(0.5, -1),
    gaussian(0.5, Infinity),
    steps(0.5, 1, -1),
    steps(0.5, 1, 1.5),
  ])('%o is out of range', (event) => {
    expect(rdpSupports(event)).toBe(true);
    expect(() => rdpEpsilon(event, 1e-5)).toThrow(RangeError);
  });

  test.each([0, 1, -1, Number.NaN])('delta %s is out of range', (delta) => {
    expect(() => rdpEpsilon(gaussian(0.5, 1), delta)).toThrow(RangeError);
  });

  test.each([1, 0.5, Infinity, Number.NaN])('order %s is out of range', (order) => {
    expect(() => rdpOfEvent(gaussian(0.5, 1), [2, order])).toThrow(RangeError);
  });

  test.each([
    { type: 'laplace' },
    { ...gaussian(0.5, 1), neighbouringRelation: 'replace-one' },
    { ...gaussian(0.5, 1), privacyUnit: 'contributor' },
    { type: 'composed', events: [gaussian(0.5, 1), { type: 'laplace' }] },
    { type: 'self-composed', count: 0, event: { type: 'laplace' } },
  ])('%o is not known', (foreign) => {
    const event = foreign as unknown as DpEvent;
    expect(rdpSupports(event)).toBe(false);
    expect(() => rdpEpsilon(event, 1e-5)).toThrow(TypeError);
  });
});

test('sampling never raises epsilon, also where fractional orders are only bounded', () => {
  // A counterexample that the properties below once found
  for (const q of [1e-4, 0.1, 0.999]) {
    expect(rdpEpsilon(steps(q, 0.05, 1), 1e-12)).toBeLessThanOrEqual(rdpEpsilon(steps(1, 0.05, 1), 1e-12));
  }
});

describe('properties', () => {
  const rate = fc.double({ min: 1e-4, max: 1, noNaN: true });
  const noise = fc.double({ min: 0.05, max: 50, noNaN: true });
  const count = fc.integer({ min: 1, max: 5000 });
  const delta = fc.double({ min: 1e-12, max: 0.1, noNaN: true });
  const atMost = (a: number, b: number) => a <= b * (1 + 1e-9) + 1e-12;
  /** Throws with the smallest counterexample. */
  const check =
    <Values>(property: fc.IProperty<Values>) =>
    () =>
      fc.assert(property, { numRuns: 60 });

  test.each([
    [
      'epsilon grows with steps',
      check(
        fc.property(rate, noise, count, count, delta, (q, s, t, more, d) =>
          atMost(rdpEpsilon(steps(q, s, t), d), rdpEpsilon(steps(q, s, t + more), d)),
        ),
      ),
    ],
    [
      'epsilon grows with the sampling rate',
      check(
        fc.property(rate, rate, noise, count, delta, (a, b, s, t, d) =>
          atMost(rdpEpsilon(steps(Math.min(a, b), s, t), d), rdpEpsilon(steps(Math.max(a, b), s, t), d)),
        ),
      ),
    ],
    [
      'epsilon falls with noise',
      check(
        fc.property(rate, noise, noise, count, delta, (q, a, b, t, d) =>
          atMost(rdpEpsilon(steps(q, Math.max(a, b), t), d), rdpEpsilon(steps(q, Math.min(a, b), t), d)),
        ),
      ),
    ],
    [
      'epsilon falls with delta',
      check(
        fc.property(rate, noise, count, delta, delta, (q, s, t, a, b) =>
          atMost(rdpEpsilon(steps(q, s, t), Math.max(a, b)), rdpEpsilon(steps(q, s, t), Math.min(a, b))),
        ),
      ),
    ],
    [
      'two halves composed are the whole',
      check(
        fc.property(rate, noise, count, delta, (q, s, t, d) => {
          const halves = rdpEpsilon({ type: 'composed', events: [steps(q, s, t), steps(q, s, t)] }, d);
          const whole = rdpEpsilon(steps(q, s, 2 * t), d);
          return atMost(halves, whole) && atMost(whole, halves);
        }),
      ),
    ],
  ])('%s', (_, holds) => {
    expect(holds).not.toThrow();
  });
});
