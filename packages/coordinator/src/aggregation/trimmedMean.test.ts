import { randomValues } from '@chorale/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExactSum } from './exactSum.ts';
import { TrimmedMean, trimmedAtEachEnd } from './trimmedMean.ts';

function trimmed(vectors: readonly (readonly number[])[], trimFraction: number): Float64Array {
  const mean = new TrimmedMean(vectors[0]!.length, trimFraction);
  for (const values of vectors) mean.add(Float32Array.from(values));
  return mean.mean();
}

/** Sorted, cut and summed as it is written, for values of which float64 sums are exact. */
function reference(values: readonly number[], k: number): number {
  const kept = values.toSorted((a, b) => a - b).slice(k, values.length - k);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

describe('TrimmedMean', () => {
  it.each([
    [0.1, 1, 0],
    [0.1, 9, 0],
    [0.1, 10, 1],
    [0.1, 30, 3],
    [0.25, 3, 0],
    [0.25, 4, 1],
    [0.49, 2, 0],
    [0.49, 3, 1],
    [0.49, 100, 49],
    [0.4999999999999999, 1_000_001, 500_000],
  ])('of trimFraction %s and %s values it leaves out %s at each end, never all', (fraction, n, k) => {
    expect(trimmedAtEachEnd(fraction, n)).toBe(k);
    expect(2 * k).toBeLessThan(n);
  });

  it('is the plain mean of one, and of as few as none are left out of', () => {
    expect(trimmed([[3, -1]], 0.49)).toEqual(Float64Array.of(3, -1));
    expect(trimmed([[3], [4], [8]], 0.25)).toEqual(Float64Array.of(5));
  });

  it('leaves out in each parameter by itself', () => {
    expect(trimmed([[1, 900], [2, 5], [900, 6]], 0.34)).toEqual(Float64Array.of(2, 6)); // prettier-ignore
  });

  it('does what sorting and cutting does, in any order of the vectors, bit by bit', () => {
    const value = fc.integer({ min: -1000, max: 1000 }).map((units) => units / 8);
    const cases = fc
      .tuple(
        fc.double({ min: 0, max: 0.499, noNaN: true }),
        fc.array(fc.array(value, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 25 }),
      )
      .chain(([fraction, all]) =>
        fc.tuple(
          fc.constant(fraction),
          fc.constant(all),
          fc.shuffledSubarray(all, { minLength: all.length }),
        ),
      );
    fc.assert(
      fc.property(cases, ([fraction, all, shuffled]) => {
        const k = trimmedAtEachEnd(fraction, all.length);
        const result = trimmed(all, fraction);
        expect([...result]).toEqual([0, 1].map((i) => reference(all.map((row) => row[i]!), k) + 0)); // prettier-ignore
        expect(new Uint8Array(trimmed(shuffled, fraction).buffer)).toEqual(new Uint8Array(result.buffer));
      }),
    );
  });

  it('works over more parameters than it sorts at once, and keeps no reference to what it is given', () => {
    const mean = new TrimmedMean(700, 0.3);
    const values = Float32Array.from({ length: 700 }, (_, i) => i);
    for (const shift of [0, 10, 500, -500]) mean.add(values.map((value) => value + shift));
    mean.add(values.fill(5e5)); // written over before: those added are copies
    values.fill(7);
    // 5 values, 1 left out at each end: of i - 500, i, i + 10, i + 500 and 5e5 the middle three
    expect([...mean.mean()]).toEqual(Array.from({ length: 700 }, (_, i) => (3 * i + 510) / 3));
  });

  it('cannot be moved by its share of outliers beyond what the others hold', () => {
    const honest = Array.from({ length: 9 }, (_, i) => [i]);
    for (const outlier of [-1e6, 1e6]) {
      const [result] = trimmed([...honest, [outlier]], 0.1);
      expect(result).toBeGreaterThanOrEqual(0);
      expect(result).toBeLessThanOrEqual(8);
    }
  });

  it('refuses what ExactSum refuses', () => {
    const mean = new TrimmedMean(1, 0.1);
    expect(() => mean.mean()).toThrow(/at least one vector/);
    expect(() => mean.add(Float32Array.of(NaN))).toThrow(RangeError);
    expect(() => mean.add(Float32Array.of(1, 2))).toThrow(/expected 1 values, got 2/);
    expect(mean.count).toBe(0);
  });

  // privacy.md of the research, 5.4
  it.each([
    [10, 1.05],
    [20, 1.06],
    [50, 1.06],
  ])('of %s normal vectors with a tenth left out it has %s times the variance of the mean', (n, expected) => {
    const parameters = 60_000;
    const trimmedMean = new TrimmedMean(parameters, 0.1);
    const mean = new ExactSum(parameters);
    for (let j = 0; j < n; j++) {
      const values = normals(parameters, 100 * n + j);
      trimmedMean.add(values);
      mean.add(values);
    }
    const squares = (values: Float64Array) => values.reduce((sum, value) => sum + value ** 2, 0);
    // Each of 60,000 squares, 0.6 %; their quotient is of the same vectors, and as good as 0.2 %
    expect(Math.abs(squares(trimmedMean.mean()) / squares(mean.mean()) - expected)).toBeLessThan(0.01);
  });
});

/** Standard normal, by Box and Muller. */
function normals(count: number, seed: number): Float32Array {
  const uniform = randomValues(2 * count, seed).map((value) => (value + 1) / 2);
  return Float32Array.from(
    { length: count },
    (_, i) => Math.sqrt(-2 * Math.log(uniform[2 * i]! || 1e-9)) * Math.cos(2 * Math.PI * uniform[2 * i + 1]!),
  );
}
