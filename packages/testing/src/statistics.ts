/** Standard normal distribution function; Abramowitz and Stegun 7.1.26, absolute error under 1.5e-7. */
export function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = (series * Math.exp(-z * z)) / 2;
  return x > 0 ? 1 - tail : tail;
}

export function moments(values: ArrayLike<number>): { mean: number; stdDev: number } {
  const list = Array.from(values);
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length;
  return { mean, stdDev: Math.sqrt(variance) };
}

/**
 * Kolmogorov-Smirnov statistic against N(0, stdDev²): sqrt(n) times the largest distance between the two distribution
 * functions. For draws that are normal, P(over x) ≈ 2·exp(−2x²): 0.27 at 1, 3e-8 at 3.
 */
export function normalKsStatistic(values: ArrayLike<number>, stdDev: number): number {
  const sorted = Float64Array.from(values).toSorted();
  let distance = 0;
  sorted.forEach((value, i) => {
    const expected = normalCdf(value / stdDev);
    distance = Math.max(distance, expected - i / sorted.length, (i + 1) / sorted.length - expected);
  });
  return distance * Math.sqrt(sorted.length);
}

/**
 * Pearson's chi-square of counts against their chances, in standard deviations over its mean: (X² − f)/sqrt(2f) with f
 * degrees of freedom. Cells with fewer than 5 expected are joined into one.
 * @param chances of each cell; what they lack to 1 is the chance of a last cell, whose count is what is left of `total`
 */
export function chiSquareExcess(
  counts: ArrayLike<number>,
  chances: ArrayLike<number>,
  total: number,
): number {
  let statistic = 0;
  let cells = 0;
  let restSeen = total;
  let restExpected = total;
  for (let i = 0; i < chances.length; i++) {
    const expected = total * chances[i]!;
    if (expected < 5) continue;
    statistic += (counts[i]! - expected) ** 2 / expected;
    cells += 1;
    restSeen -= counts[i]!;
    restExpected -= expected;
  }
  if (restExpected >= 5) {
    statistic += (restSeen - restExpected) ** 2 / restExpected;
    cells += 1;
  } else if (restSeen > 30) {
    return Infinity; // far more than can be in cells that should be all but empty
  }
  return (statistic - (cells - 1)) / Math.sqrt(2 * (cells - 1));
}
