import { describe, expect, test } from 'vitest';
import { dpSgdEvent } from '../dpSgdEvent.ts';
import { dpReference } from './dpReference.fixture.ts';
import { reportedEpsilon } from './reportedEpsilon.ts';
import { logExcessByBinomialSum, logExcessByQuadrature, rdpOfSampledGaussian } from './sampledGaussianRdp.ts';

/** Within 1e-9, and not below the reference by more than its own last digit. */
function expectRdp(samplingRate: number, noiseMultiplier: number, order: number, reference: number): void {
  const ratio = rdpOfSampledGaussian(samplingRate, noiseMultiplier, order) / reference - 1;
  expect(Math.abs(ratio)).toBeLessThan(1e-9);
  expect(ratio).toBeGreaterThan(-1e-11);
}

// Copied from ../shared/reference/dp.json, derived.rdp_integer_order: high-precision sums, independent of this code.
test.each([
  [0.01, 1, 2, 0.000171813422074548],
  [0.01, 1, 16, 3.08785078369624],
  [0.01, 4, 2, 6.44942509419921e-6],
  [0.01, 4, 128, 0.000451009456974982],
  [0.05, 0.7, 3, 0.0497361357032489],
  [0.05, 1, 5, 0.0185892354072147],
  [0.05, 1, 128, 60.9806792833472],
  [0.05, 2, 16, 0.00734731410317822],
  [0.1, 1, 32, 13.6231379685226],
  [0.25, 2, 5, 0.0527647167426849],
  [0.25, 2, 128, 14.6027899352493],
  [0.5, 4, 32, 0.444779481971411],
])('integer orders: q %s, σ %s, order %s', expectRdp);

// derived.rdp_fractional_order: numerical integration at 20 digits, independent of this code.
test.each([
  [0.01, 2.5, 1.1, 9.52747524601e-6],
  [0.04, 1.5, 2.5, 0.00113280346647],
  [0.05, 1, 3.9, 0.0109160698639],
  [0.1, 1, 1.1, 0.00809856846807],
  [0.1, 1, 10.1, 2.49550739642],
  [0.5, 4, 5.5, 0.0465594624552],
])('fractional orders: q %s, σ %s, order %s', expectRdp);

test('without sampling it is the Gaussian mechanism, a/(2σ²)', () => {
  expect(rdpOfSampledGaussian(1, 2, 3)).toBe(0.375);
  expect(rdpOfSampledGaussian(1, 10, 1.1)).toBeCloseTo(0.0055, 15);
});

test('the quadrature gives the binomial sum at integer orders, over the whole range of parameters', () => {
  for (const q of [1e-6, 0.001, 0.05, 0.5, 0.99, 0.999999]) {
    for (const sigma of [0.1, 0.2, 0.3, 0.7, 1, 1.25, 2, 5, 50, 1e4]) {
      for (const order of [2, 3, 5, 10, 200]) {
        const sum = logExcessByBinomialSum(q, sigma, order);
        const integral = logExcessByQuadrature(q, sigma, order);
        expect(Math.abs(integral - sum)).toBeLessThan(1e-11 * Math.max(1, Math.abs(sum)));
      }
    }
  }
});

test('fractional orders lie between their neighbours and under the Gaussian mechanism', () => {
  for (const q of [0.001, 0.05, 0.9]) {
    for (const sigma of [0.1, 0.2, 0.6, 1, 3, 100]) {
      let previous = 0;
      for (const order of [1.001, 1.01, 1.1, 1.5, 2, 2.5, 3, 3.5, 10, 10.5, 11, 100.5, 101]) {
        const rdp = rdpOfSampledGaussian(q, sigma, order);
        expect(rdp).toBeGreaterThan(previous);
        expect(rdp).toBeLessThan(order / (2 * sigma ** 2));
        previous = rdp;
      }
    }
  }
});

describe('noise at the ends of what numbers can be', () => {
  test.each([1e-160, 1e-200, 5e-324])('next to none (%s) is infinite, never NaN', (sigma) => {
    for (const q of [1e-300, 0.5, 1]) expect(rdpOfSampledGaussian(q, sigma, 2)).toBe(Infinity);
    expect(reportedEpsilon(dpSgdEvent(0.5, sigma, 10), 1e-5).epsilon).toBe(Infinity);
  });

  test('at 1e-100 and 1e100 it is still a number, and the right one', () => {
    for (const order of [2, 5]) {
      expect(rdpOfSampledGaussian(0.5, 1e-100, order) / 1e200).toBeCloseTo(order / 2, 9);
      // For large noise a·q²/(2σ²)
      expect((rdpOfSampledGaussian(0.5, 1e100, order) * 1e200) / (order / 8)).toBeCloseTo(1, 9);
      expect((rdpOfSampledGaussian(0.5, 1e100, order + 0.5) * 1e200) / ((order + 0.5) / 8)).toBeCloseTo(1, 9);
    }
  });

  test.each([1.1e100, 1e160, Number.MAX_VALUE, Infinity, 0, -1, Number.NaN])('%s is refused', (sigma) => {
    for (const q of [0.5, 1]) {
      for (const order of [2, 2.5]) {
        expect(() => rdpOfSampledGaussian(q, sigma, order)).toThrow(/noiseMultiplier.*at most 1e\+100/);
      }
      expect(() => reportedEpsilon(dpSgdEvent(q, sigma, 10), 1e-5)).toThrow(RangeError);
    }
  });
});

describe.skipIf(dpReference === null)('all values of ../shared/reference/dp.json', () => {
  test('integer and fractional orders', () => {
    const rows = [...dpReference!.derived.rdp_integer_order, ...dpReference!.derived.rdp_fractional_order];
    expect(rows.length).toBeGreaterThan(50);
    for (const row of rows) expectRdp(Number(row.q), Number(row.sigma), Number(row.order), row.rdp_one_step);
  });

  test("AutoDP's test table, as integrated exactly", () => {
    expect(dpReference!.autodp_rdp.length).toBeGreaterThan(40);
    for (const row of dpReference!.autodp_rdp) {
      expectRdp(row.q, row.sigma, row.order, row.own_exact / row.steps);
    }
  });
});
