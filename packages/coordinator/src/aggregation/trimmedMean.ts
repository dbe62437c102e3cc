import { ExactSum, MOST_ADDENDS, assertAddends } from './exactSum.ts';

/** Parameters whose values of all vectors are sorted together: so many that gathering them reads memory in order … */
const BLOCK = 256;
/** … and fewer where there are many vectors, so that a block takes some milliseconds. */
const BLOCK_VALUES = 2 ** 15;

/** How many values a trimmed mean leaves out at each end: floor(trimFraction · n); none as long as that is 0. */
export function trimmedAtEachEnd(trimFraction: number, n: number): number {
  return Math.floor(trimFraction * n);
}

/**
 * The mean of what is left in each parameter when its k largest and k smallest values are taken away, k of
 * `trimmedAtEachEnd` (Yin et al. 2018, arXiv 1803.01498, definition 2). The rest is summed exactly, so the result
 * depends on the set of the vectors only. Values that are equal are interchangeable, -0 and 0 too.
 *
 * Memory: all vectors, 4 bytes a parameter each; `add` copies.
 */
export class TrimmedMean {
  readonly #valueCount: number;
  readonly #trimFraction: number;
  readonly #vectors: Float32Array[] = [];

  /**
   * @param valueCount   length of each vector
   * @param trimFraction from 0 to under 0.5
   */
  constructor(valueCount: number, trimFraction: number) {
    this.#valueCount = valueCount;
    this.#trimFraction = trimFraction;
  }

  get count(): number {
    return this.#vectors.length;
  }

  /** As `ExactSum.add`, errors included. */
  add(values: Float32Array): void {
    if (values.length !== this.#valueCount) {
      throw new RangeError(`expected ${this.#valueCount} values, got ${values.length}`);
    }
    if (this.count === MOST_ADDENDS)
      throw new RangeError(`expected at most ${MOST_ADDENDS} vectors, got more`);
    assertAddends(values);
    this.#vectors.push(values.slice());
  }

  /**
   * @returns a new array, shape [valueCount]
   * @throws {RangeError} no vector was added
   */
  mean(): Float64Array {
    const steps = this.meanInSteps();
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
    }
  }

  /**
   * `mean` with a pause after each block of parameters, for callers that have other things to do meanwhile. Nothing may be
   * added before it ends.
   */
  *meanInSteps(): Generator<undefined, Float64Array, undefined> {
    const n = this.count;
    const k = trimmedAtEachEnd(this.#trimFraction, n);
    if (n === 0) throw new RangeError('expected at least one vector to average, got none');
    const mean = new Float64Array(this.#valueCount);
    const block = Math.max(1, Math.min(BLOCK, Math.floor(BLOCK_VALUES / n)));
    for (let start = 0; start < mean.length; start += block) {
      const width = Math.min(block, mean.length - start);
      mean.set(this.#blockMean(start, width, k), start);
      yield undefined;
    }
    return mean;
  }

  /** The mean of `width` parameters from `start` on; the exact sum takes their k-th, (k+1)-th, … smallest values. */
  #blockMean(start: number, width: number, k: number): Float64Array {
    const n = this.count;
    const columns = new Float32Array(width * n);
    this.#vectors.forEach((vector, j) => {
      for (let i = 0; i < width; i++) columns[i * n + j] = vector[start + i]!;
    });
    for (let i = 0; i < width; i++) columns.subarray(i * n, (i + 1) * n).sort();
    const sum = new ExactSum(width);
    const rank = new Float32Array(width);
    for (let j = k; j < n - k; j++) {
      for (let i = 0; i < width; i++) rank[i] = columns[i * n + j]!;
      sum.add(rank);
    }
    return sum.mean();
  }
}
