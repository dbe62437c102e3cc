import { describe, expect, test } from 'vitest';
import { gaussianDelta } from '../accounting/gaussianProfile.ts';
import { oneStepDelta } from '../testing/tightDelta.ts';
import { GRID_UNITS } from './grid.ts';

/*
 * The accountant takes discrete Gaussian noise as continuous. For one coordinate and one step: how much delta the discrete
 * mechanism really has, clipped to 1e-4 under its bound as it is, against the continuous one's at the bound.
 */

type Direction = 'remove' | 'add';

/** Σ (P(x) − e^epsilon·Q(x))₊ over all integers, for each epsilon; the noise is noise(0, σ), shifted for the example. */
function discreteDeltas(
  samplingRate: number,
  { shift, stdDev }: { shift: number; stdDev: number },
  epsilons: readonly number[],
  direction: Direction,
): number[] {
  const reach = 12 * stdDev;
  const weight = (x: number) => Math.exp((-x * x) / (2 * stdDev * stdDev));
  let mass = 0;
  for (let x = -reach; x <= reach; x++) mass += weight(x);
  const deltas = epsilons.map(() => 0);
  for (let x = -reach; x <= reach + shift; x++) {
    const without = weight(x) / mass;
    const withExample = (1 - samplingRate) * without + (samplingRate * weight(x - shift)) / mass;
    const [p, q] = direction === 'remove' ? [withExample, without] : [without, withExample];
    for (let i = 0; i < epsilons.length; i++) {
      deltas[i]! += Math.max(0, p - Math.exp(epsilons[i]!) * q);
    }
  }
  return deltas;
}

const EPSILONS = [1e-4, 0.001, 0.003, 0.01, 0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24];

describe.each([1, 0.1, 0.01])('sampling rate %s', (samplingRate) => {
  test.each([0.4, 0.7013, 1, 2.00001, 5])(
    'noise multiplier %s: discrete noise has no larger delta than is accounted',
    { timeout: 60_000 },
    (noiseMultiplier) => {
      const shift = Math.floor(GRID_UNITS * (1 - 1e-4));
      const stdDev = Math.ceil(GRID_UNITS * noiseMultiplier);
      let compared = 0;
      for (const direction of ['remove', 'add'] as const) {
        const discrete = discreteDeltas(samplingRate, { shift, stdDev }, EPSILONS, direction);
        EPSILONS.forEach((epsilon, i) => {
          const continuous =
            samplingRate === 1
              ? gaussianDelta(1 / noiseMultiplier, epsilon)
              : oneStepDelta({ samplingRate, noiseMultiplier, count: 1 }, epsilon, direction);
          if (continuous < 1e-12) return;
          compared += 1;
          expect(discrete[i]).toBeLessThanOrEqual(continuous);
          // No wonder of a loose comparison: the 1e-4 and the ceiling are all there is between them
          expect(discrete[i]).toBeGreaterThan(continuous * 0.98);
        });
      }
      expect(compared).toBeGreaterThan(samplingRate === 1 ? 8 : 3);
    },
  );
});
