import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExactSum, LARGEST_ADDEND, MOST_ADDENDS } from './exactSum.ts';

/** A float32 in units of 2^-47, ties to even: by integers, as the sum should take it. */
function inLowUnits(value: number): bigint {
  const exact = BigInt(value * 2 ** 149); // every float32 is a whole number of 2^-149
  const magnitude = exact < 0n ? -exact : exact;
  const shift = 149n - 47n;
  const floor = magnitude >> shift;
  const rest = magnitude - (floor << shift);
  const half = 1n << (shift - 1n);
  const rounded = rest > half || (rest === half && floor % 2n === 1n) ? floor + 1n : floor;
  return exact < 0n ? -rounded : rounded;
}

/** The exact sum of integers, rounded to float64 once, and the mean of it. */
function bigIntMean(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + inLowUnits(value), 0n);
  return (Number(sum) * 2 ** -47) / values.length;
}

function meanOf(values: readonly number[]): number {
  const sum = new ExactSum(1);
  for (const value of values) sum.add(Float32Array.of(value));
  return sum.mean()[0]!;
}

/** float32 of all magnitudes that an update may hold, tiny ones as often as large ones. */
const addend = fc
  .tuple(fc.integer({ min: -149, max: 19 }), fc.integer({ min: -(2 ** 24), max: 2 ** 24 }))
  .map(([exponent, fraction]) => Math.fround(fraction * 2 ** (exponent - 24)))
  .filter((value) => Math.abs(value) <= 1e6);

describe('ExactSum', () => {
  it('is the sum of the integers, whatever the values and their order', () => {
    fc.assert(
      fc.property(fc.array(addend, { minLength: 1, maxLength: 40 }), (values) => {
        expect(meanOf(values)).toBe(bigIntMean(values) + 0);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the same bits for every order of the same vectors, and asking in between changes nothing', () => {
    const vectors = fc.array(fc.array(addend, { minLength: 3, maxLength: 3 }), {
      minLength: 2,
      maxLength: 12,
    });
    const orders = vectors.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    fc.assert(
      fc.property(orders, ([all, shuffled]) => {
        const [one, other] = [new ExactSum(3), new ExactSum(3)];
        for (const values of all) one.add(Float32Array.from(values));
        for (const values of shuffled) {
          other.add(Float32Array.from(values));
          other.mean();
        }
        expect(new Uint8Array(other.mean().buffer)).toEqual(new Uint8Array(one.mean().buffer));
      }),
    );
  });

  it('is exact where a running float64 sum is not', () => {
    // 2^20 and 2^-24 + 2^-47 are 67 bits apart
    const small = 2 ** -24 + 2 ** -47;
    expect(Math.fround(small)).toBe(small);
    expect(2 ** 20 + small - 2 ** 20).not.toBe(small);
    expect(meanOf([2 ** 20, small, -(2 ** 20)])).toBe(small / 3);
  });

  it.each([
    ['1e6', [1e6]],
    ['-1e6', [-1e6]],
    ['the largest with all bits set', [Math.fround(999_999.94)]],
    ['2^20', [LARGEST_ADDEND]],
    ['what is largest in the low part', [2 ** -14 - 2 ** -38]],
    ['what fills both parts', [1023.9999, 2 ** -14 - 2 ** -38, -1e6, 999_999.94, 1e-7]],
  ])('holds 2^20 vectors of %s without rounding, and no more', (_, pattern) => {
    const rounded = pattern.map(Math.fround);
    const values = Float32Array.from(rounded);
    const sum = new ExactSum(values.length);
    for (let i = 0; i < MOST_ADDENDS; i++) {
      sum.add(values);
      // Another order in each: the partial sums must be exact too
      if (i === MOST_ADDENDS / 2) values.reverse();
    }
    const half = BigInt(MOST_ADDENDS / 2);
    const expected = rounded.map((value, i) => {
      const other = rounded[rounded.length - 1 - i]!;
      const total = inLowUnits(value) * (half + 1n) + inLowUnits(other) * (half - 1n);
      return (Number(total) * 2 ** -47) / MOST_ADDENDS;
    });
    expect([...sum.mean()]).toEqual(expected);
    expect(() => sum.add(values)).toThrow(/at most 1048576 vectors/);
    expect(sum.count).toBe(MOST_ADDENDS);
  });

  // Were a unit one bit finer, its sum would need 54 bits here, and each of the small ones would lose half a unit
  it.each([
    [LARGEST_ADDEND, 2 + 2 ** -14],
    [2 ** -13 - 2 ** -37, 2 ** -24 + 2 ** -47],
    [2 ** -14, 2 ** -24 + 2 ** -47],
  ])('adds a thousand times less than a sum of nearly 2^20 times %s, without rounding', (large, small) => {
    const sum = new ExactSum(1);
    for (let i = 0; i < MOST_ADDENDS - 1000; i++) sum.add(Float32Array.of(large));
    for (let i = 0; i < 1000; i++) sum.add(Float32Array.of(small));
    const total = inLowUnits(large) * BigInt(MOST_ADDENDS - 1000) + inLowUnits(small) * 1000n;
    expect(sum.mean()[0]).toBe((Number(total) * 2 ** -47) / MOST_ADDENDS);
  });

  it('loses at most 2^-48 of a value, and nothing from 2^-24 on', () => {
    const tiny = [
      2 ** -149,
      -(2 ** -149),
      2 ** -126,
      2 ** -60,
      2 ** -48,
      3 * 2 ** -48,
      2 ** -47,
      1.3 * 2 ** -30,
    ];
    for (const value of tiny.map(Math.fround)) {
      expect(Math.abs(meanOf([value]) - value)).toBeLessThanOrEqual(2 ** -48);
    }
    expect(meanOf([2 ** -149])).toBe(0);
    expect(meanOf([3 * 2 ** -48])).toBe(2 ** -46); // a tie goes to even
    for (const value of [2 ** -24 + 2 ** -47, -(2 ** -24), 2 ** -23 - 2 ** -47, 1e-7]) {
      expect(meanOf([Math.fround(value)])).toBe(Math.fround(value));
    }
  });

  it('refuses other lengths and adds nothing of them', () => {
    const sum = new ExactSum(2);
    expect(() => sum.mean()).toThrow(/at least one vector/);
    sum.add(Float32Array.of(1, 2));
    expect(() => sum.add(Float32Array.of(1))).toThrow(/expected 2 values, got 1/);
    expect(sum.count).toBe(1);
    expect(sum.mean()).toEqual(Float64Array.of(1, 2));
  });

  it.each([NaN, Infinity, -Infinity, LARGEST_ADDEND + 1, -LARGEST_ADDEND - 1])(
    'refuses %s, and gives no mean after it',
    (bad) => {
      const sum = new ExactSum(2);
      sum.add(Float32Array.of(1, 2));
      expect(() => sum.add(Float32Array.of(5, bad))).toThrow(`got ${bad} at 1`);
      expect(sum.count).toBe(1);
      expect(() => sum.add(Float32Array.of(1, 2))).toThrow(/start anew/);
      expect(() => sum.mean()).toThrow(/start anew/);
    },
  );
});
