import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { normalCdf } from './normal.ts';
import { countGridPoints, outcomeRange, privacyLossGrid } from './privacyLossGrid.ts';
import { oneStepDelta } from '../testing/tightDelta.ts';

const TAIL = 1e-22;

const logUniform = (low: number, high: number) =>
  fc.double({ min: Math.log(low), max: Math.log(high), noNaN: true }).map(Math.exp);
const anyGrid = fc.record({
  samplingRate: logUniform(1e-4, 0.999),
  noiseMultiplier: logUniform(0.1, 100),
  /** Grid points per standard deviation of the likelihood ratio's exponent. */
  points: logUniform(0.1, 100),
});

function gridOf({
  samplingRate,
  noiseMultiplier,
  points,
}: {
  samplingRate: number;
  noiseMultiplier: number;
  points: number;
}) {
  const step = { samplingRate, noiseMultiplier };
  const gridStep = samplingRate / noiseMultiplier / points;
  const outcomes = outcomeRange(step, TAIL);
  if (countGridPoints(step, outcomes, gridStep) > 50_000) return null;
  return { step, gridStep, grid: privacyLossGrid(step, outcomes, gridStep) };
}

test('property: both distributions sum to 1', () => {
  fc.assert(
    fc.property(anyGrid, (parameters) => {
      const made = gridOf(parameters);
      if (made === null) return;
      let [p, q] = [0, 0];
      made.grid.logQ.forEach((log, i) => {
        q += Math.exp(log);
        p += Math.exp(log + made.gridStep * (made.grid.first + i));
      });
      expect(Math.abs(q - 1)).toBeLessThan(2e-13);
      expect(Math.abs(p - 1)).toBeLessThan(2e-13);
    }),
  );
});

test('property: at every grid point the hockey-stick divergence is that of the mechanism, in both directions', () => {
  // That is what connecting the dots means: exact at the dots, above the convex curve between them.
  fc.assert(
    fc.property(anyGrid, (parameters) => {
      const made = gridOf(parameters);
      if (made === null) return;
      const { first, logQ } = made.grid;
      const lossAt = (i: number) => made.gridStep * (first + i);
      const counted = { ...made.step, count: 1 };
      for (const part of [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95]) {
        const k = Math.round(part * (logQ.length - 1));
        let [remove, add] = [0, 0];
        for (let i = 0; i < logQ.length; i++) {
          const rise = Math.expm1(lossAt(i) - lossAt(k)); // e^(loss − loss_k) − 1
          if (i > k) remove += Math.exp(logQ[i]! + lossAt(k)) * rise;
          if (i < k) add += Math.exp(logQ[i]!) * -rise;
        }
        expect(Math.abs(remove - oneStepDelta(counted, lossAt(k), 'remove'))).toBeLessThan(1e-12);
        expect(Math.abs(add - oneStepDelta(counted, -lossAt(k), 'add'))).toBeLessThan(1e-12);
      }
    }),
  );
});

test('masses have full relative precision in the far tail', () => {
  const step = { samplingRate: 0.01, noiseMultiplier: 0.5 };
  const { first, logQ } = privacyLossGrid(step, outcomeRange(step, TAIL), 1e-3);
  const lossAt = (i: number) => 1e-3 * (first + i);
  for (const loss of [2, 6, 10]) {
    const k = Math.round(loss / 1e-3) - first;
    let sum = 0;
    for (let i = logQ.length - 1; i > k; i--) {
      sum += Math.exp(logQ[i]! + lossAt(k)) * Math.expm1(lossAt(i) - lossAt(k));
    }
    const exact = oneStepDelta({ ...step, count: 1 }, lossAt(k), 'remove');
    expect(Math.abs(sum / exact - 1)).toBeLessThan(1e-11);
  }
});

test('without sampling it is the Gaussian mechanism, symmetric', () => {
  const step = { samplingRate: 1, noiseMultiplier: 2 };
  const { first, logQ } = privacyLossGrid(step, outcomeRange(step, TAIL), 0.01);
  const at = (k: number) => logQ[k - first]!;
  // Mass of loss k under P is that of −k under Q.
  for (const k of [1, 20, 150]) expect(at(k) + 0.01 * k).toBeCloseTo(at(-k), 10);
});

test('what is outside of the range is as rare as it says', () => {
  for (const noiseMultiplier of [0.1, 1, 50]) {
    const [lowest, highest] = outcomeRange({ samplingRate: 0.5, noiseMultiplier }, 1e-6);
    const outside = (mean: number) =>
      normalCdf((lowest - mean) / noiseMultiplier) + normalCdf((mean - highest) / noiseMultiplier);
    expect(outside(0)).toBeLessThan(1e-6);
    expect(outside(1)).toBeLessThan(1e-6);
    expect(outside(1)).toBeGreaterThan(1e-8);
  }
});
