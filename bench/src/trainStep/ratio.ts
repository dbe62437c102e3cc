/**
 * One time over another, measured in turns. The two middles are published both: where they contradict each other, or where
 * min and max lie on both sides of an aim, the ratio is not known better than that.
 */
export type Ratio = {
  /** Median of the ratios of the repetitions, each of two times measured one after the other. */
  median: number;
  /** The least and the most of those ratios. */
  min: number;
  max: number;
  /** Median of the ones over the median of the others. */
  ofMedians: number;
  repetitions: number;
};

/**
 * @param above milliseconds of each repetition
 * @param below of the same repetitions
 * @throws {RangeError} no repetitions, or not the same number of them
 */
export function timeRatio(above: readonly number[], below: readonly number[]): Ratio {
  if (above.length === 0 || above.length !== below.length) {
    throw new RangeError(`expected times of the same repetitions, got ${above.length} and ${below.length}`);
  }
  const ratios = above.map((time, i) => time / below[i]!);
  return {
    median: rounded(median(ratios)),
    min: rounded(Math.min(...ratios)),
    max: rounded(Math.max(...ratios)),
    ofMedians: rounded(median(above) / median(below)),
    repetitions: ratios.length,
  };
}

/** @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

/** To three digits: more are not known of a time. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
