/** The most vectors that one exact sum takes. */
export const MOST_ADDENDS = 2 ** 20;
/** The largest magnitude of a value that is summed; `decodeUpdate` refuses what is over 1e6, which is less. */
export const LARGEST_ADDEND = 2 ** 20;

/*
 * Every float32 v is split into high + low, both found by the rounding of float64 itself:
 *
 *   high = v rounded to a multiple of 2^-13    |high| ≤ 2^20
 *   low  = v − high, rounded to one of 2^-47   |low|  ≤ 2^-14
 *
 * v − high is exact: both are multiples of v's unit in the last place, or of 2^-13 when that is coarser (then it is 0). After
 * 2^20 addends |Σ high| ≤ 2^40 = 2^53 · 2^-13 and |Σ low| ≤ 2^6 = 2^53 · 2^-47: all partial sums, in any order and any
 * grouping, are multiples of their unit up to 2^53 of it, which float64 holds without rounding. Hence both sums are those
 * of the integers, and depend on the set of the addends only.
 *
 * From a magnitude of 2^-24 on, float32's unit is at least 2^-47, and high + low is v itself. Smaller values lose what is
 * under 2^-47, at most 2^-48 = 3.6e-15 each, by a rounding that looks at nothing but the value.
 */
const HIGH_UNIT = 2 ** -13;
const LOW_UNIT = 2 ** -47;
/** Adding 1.5 · 2^52 units pushes out what is under one unit, for both signs; taking it away again is exact. */
const HIGH_ROUNDER = 1.5 * 2 ** 52 * HIGH_UNIT;
const LOW_ROUNDER = 1.5 * 2 ** 52 * LOW_UNIT;

/**
 * A sum of float32 vectors whose bits depend on the set of the vectors only, not on the order in which they came. Memory:
 * 16 bytes a parameter, whatever the number of vectors.
 */
export class ExactSum {
  #count = 0;
  #lost = false;
  readonly #high: Float64Array;
  readonly #low: Float64Array;

  /** @param valueCount length of each vector */
  constructor(valueCount: number) {
    this.#high = new Float64Array(valueCount);
    this.#low = new Float64Array(valueCount);
  }

  /** Number of vectors added. */
  get count(): number {
    return this.#count;
  }

  /**
   * @param values shape [valueCount], magnitudes at most 2^20; not kept
   * @throws {RangeError} another length, or more than 2^20 vectors: nothing was added. A value that is larger or no number:
   *   the sum is lost, and every later call throws (to look before adding would cost as much as adding)
   */
  add(values: Float32Array): void {
    const high = this.#high;
    const low = this.#low;
    this.#requireWhole();
    if (values.length !== high.length) {
      throw new RangeError(`expected ${high.length} values, got ${values.length}`);
    }
    if (this.#count === MOST_ADDENDS)
      throw new RangeError(`expected at most ${MOST_ADDENDS} vectors, got more`);
    let fits = true;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (!(Math.abs(value) <= LARGEST_ADDEND)) fits = false;
      const coarse = value + HIGH_ROUNDER - HIGH_ROUNDER;
      high[i]! += coarse;
      low[i]! += value - coarse + LOW_ROUNDER - LOW_ROUNDER;
    }
    this.#lost = !fits;
    if (!fits) assertAddends(values);
    this.#count += 1;
  }

  /**
   * The mean of the vectors so far: the exact sum, rounded once to float64, over their number.
   * @returns a new array, shape [valueCount]
   * @throws {RangeError} no vector was added, or one that does not fit
   */
  mean(): Float64Array {
    this.#requireWhole();
    const count = this.#count;
    if (count === 0) throw new RangeError('expected at least one vector to average, got none');
    const low = this.#low;
    return this.#high.map((high, i) => (high + low[i]!) / count);
  }

  #requireWhole(): void {
    if (this.#lost)
      throw new RangeError('expected a whole sum, got one with a vector that did not fit; start anew');
  }
}

/** @throws {RangeError} a value no exact sum can take */
export function assertAddends(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i]!) <= LARGEST_ADDEND)) {
      throw new RangeError(
        `expected values from -${LARGEST_ADDEND} to ${LARGEST_ADDEND}, got ${values[i]} at ${i}`,
      );
    }
  }
}
