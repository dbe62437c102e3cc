import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyedBuckets, TokenBucket } from './tokenBucket.ts';

describe('a bucket', () => {
  it('gives its capacity at once, then so many per second, and never saves up more', () => {
    const bucket = new TokenBucket({ capacity: 3, perSecond: 2 }, 1_000);
    expect([1, 2, 3, 4].map(() => bucket.take(1_000))).toEqual([true, true, true, false]);
    expect(bucket.take(1_499)).toBe(false);
    expect(bucket.take(1_500)).toBe(true);
    expect(bucket.has(1_500)).toBe(false);
    // An hour later: three, not thousands
    expect([1, 2, 3, 4].map(() => bucket.take(3_600_000))).toEqual([true, true, true, false]);
  });

  it('takes all of an amount or nothing', () => {
    const bucket = new TokenBucket({ capacity: 10, perSecond: 1 }, 0);
    expect(bucket.take(0, 11)).toBe(false);
    expect(bucket.take(0, 10)).toBe(true);
    expect(bucket.take(0, 1)).toBe(false);
  });

  it('gives nothing more when the clock goes back', () => {
    const bucket = new TokenBucket({ capacity: 1, perSecond: 1 }, 10_000);
    expect(bucket.take(10_000)).toBe(true);
    expect(bucket.take(0)).toBe(false);
    expect(bucket.take(999)).toBe(false);
    expect(bucket.take(1_000)).toBe(true);
  });

  it('never gives more than its capacity and what came back, whatever is asked when', () => {
    const steps = fc.array(fc.tuple(fc.nat(5_000), fc.integer({ min: 1, max: 9 })), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (asked) => {
        const bucket = new TokenBucket({ capacity: 20, perSecond: 4 }, 0);
        let nowMs = 0;
        let given = 0;
        for (const [waitMs, amount] of asked) {
          nowMs += waitMs;
          if (bucket.take(nowMs, amount)) given += amount;
        }
        expect(given).toBeLessThanOrEqual(20 + (nowMs / 1000) * 4 + 1e-6);
      }),
      { seed: 5 },
    );
  });
});

describe('buckets by key', () => {
  it('are each their own', () => {
    const buckets = new KeyedBuckets({ capacity: 1, perSecond: 0.001 });
    expect(buckets.take('a', 0)).toBe(true);
    expect(buckets.take('a', 0)).toBe(false);
    expect(buckets.take('b', 0)).toBe(true);
  });

  it('are so many at most, the one used longest ago goes first, and looking makes none', () => {
    const buckets = new KeyedBuckets({ capacity: 1, perSecond: 0.001 }, 3);
    for (const key of ['a', 'b', 'c', 'a', 'd']) buckets.take(key, 0);
    expect(buckets.size).toBe(3);
    expect(['a', 'b', 'c', 'd', 'e'].map((key) => buckets.has(key, 0))).toEqual([
      false, // used again
      true, // forgotten
      false,
      false,
      true,
    ]);
    expect(buckets.size).toBe(3);
    for (let k = 0; k < 10_000; k++) buckets.take(`key ${k}`, k);
    expect(buckets.size).toBe(3);
  });
});
