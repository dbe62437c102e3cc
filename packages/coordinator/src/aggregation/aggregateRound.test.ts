import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregateRound } from './aggregateRound.ts';
import type { ClientUpdate } from './clientUpdate.ts';
import { meanAggregator } from './meanAggregator.ts';
import { applyServerSgd } from './serverOptimizer.ts';

const update = (contributorId: string, ...values: number[]): ClientUpdate => ({
  contributorId,
  values: Float32Array.from(values),
});

describe('meanAggregator', () => {
  it('is the unweighted mean', () => {
    expect(meanAggregator([update('a', 1, 2), update('b', 3, -6)])).toEqual(Float64Array.of(2, -2));
  });

  it('gives the same bits for every order of the same updates', () => {
    const updates = fc
      .uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 8 })
      .chain((ids) =>
        fc.tuple(
          fc.constant(ids),
          fc.array(fc.float32Array({ minLength: 3, maxLength: 3, noNaN: true, noDefaultInfinity: true }), {
            minLength: ids.length,
            maxLength: ids.length,
          }),
          fc.shuffledSubarray(ids, { minLength: ids.length }),
        ),
      );
    fc.assert(
      fc.property(updates, ([ids, values, shuffled]) => {
        const all = ids.map((contributorId, k): ClientUpdate => ({ contributorId, values: values[k]! }));
        const other = shuffled.map((id) => all.find((one) => one.contributorId === id)!);
        expect(new Uint8Array(meanAggregator(other).buffer)).toEqual(
          new Uint8Array(meanAggregator(all).buffer),
        );
      }),
    );
  });

  it('sums in float64: a sum in float32 would lose the small terms', () => {
    // 2^24 + 1 is no float32; four of them average to 2^24 + 1 only when the sum is exact.
    const parts = [2 ** 24, 1, 2 ** 24, 1].map((value, k) => update(`c${k}`, value));
    expect(meanAggregator(parts)[0]).toBe((2 ** 25 + 2) / 4);
  });

  it('refuses nothing, other lengths and one contributor twice', () => {
    expect(() => meanAggregator([])).toThrow(RangeError);
    expect(() => meanAggregator([update('a', 1), update('b', 1, 2)])).toThrow(
      /expected 1 values of b, got 2/,
    );
    expect(() => meanAggregator([update('a', 1), update('a', 1)])).toThrow(/two of a/);
  });
});

describe('applyServerSgd', () => {
  it('adds the update, scaled', () => {
    const parameters = Float64Array.of(1, 2);
    expect(applyServerSgd(parameters, Float64Array.of(10, -10), 0.5)).toEqual(Float64Array.of(6, -3));
    expect(parameters).toEqual(Float64Array.of(1, 2));
  });

  it('refuses what does not fit float32, and other lengths', () => {
    expect(() => applyServerSgd(Float64Array.of(3e38), Float64Array.of(3e38), 1)).toThrow(/fit float32/);
    expect(() => applyServerSgd(Float64Array.of(1), Float64Array.of(1, 2), 1)).toThrow(RangeError);
  });
});

it('aggregates a round by the config, and touches nothing outside of what it trained', () => {
  const next = aggregateRound(Float64Array.of(5, 1, 9), [update('b', 4), update('a', 2)], {
    aggregation: { rule: 'mean', serverOptimizer: { name: 'sgd', learningRate: 2 } },
    range: { start: 1, end: 2 },
  });
  expect(next).toEqual(Float64Array.of(5, 7, 9));
});
