/** One release of the audited mechanism, as one canary sees it in its own coordinate, in units of clippingNorm. */
export type CanaryRelease = {
  /** In (0, 1]. */
  samplingRate: number;
  /** > 0 */
  noiseMultiplier: number;
  /** Noised steps whose sum is released together; an integer ≥ 1. */
  localSteps: number;
};

/**
 * Log-likelihood ratio of "the canary is in the data" to "it is not", for one release. The sum over a canary's releases
 * is, by Neyman and Pearson, the best score that a distinguisher can use. With K = localSteps the release is
 * N(0, K·σ²) plus the number of steps that drew the canary, which is Binomial(K, q) or 0:
 *
 *   log Σ_j C(K,j) q^j (1−q)^(K−j) exp((2·j·o − j²)/(2·K·σ²)).
 */
export function canaryScorer(release: CanaryRelease): (observation: number) => number {
  const { samplingRate: q, noiseMultiplier, localSteps } = release;
  const variance = localSteps * noiseMultiplier ** 2;
  if (q === 1) return (o) => (localSteps * (2 * o - localSteps)) / (2 * variance);
  const offsets: number[] = []; // what of the exponent does not depend on the observation
  let logWeight = localSteps * Math.log1p(-q);
  const logOdds = Math.log(q) - Math.log1p(-q);
  for (let j = 0; j <= localSteps; j++) {
    if (j > 0) logWeight += Math.log((localSteps - j + 1) / j) + logOdds;
    offsets.push(logWeight - (j * j) / (2 * variance));
  }
  return (o) => {
    let largest = -Infinity;
    for (let j = 0; j <= localSteps; j++) largest = Math.max(largest, offsets[j]! + (j * o) / variance);
    let sum = 0;
    for (let j = 0; j <= localSteps; j++) sum += Math.exp(offsets[j]! + (j * o) / variance - largest);
    return largest + Math.log(sum);
  };
}

/**
 * Where the audit cuts the scores into "present" and "absent". Fixed by the claim before anything is observed, so that the
 * confidence of the error rates holds: around the mean score of an absent canary, in halves of its standard deviation,
 * far enough to both sides for scores that the claim would not lead to, and at a few plain log-likelihood ratios.
 * @param releases how many releases a score adds up
 */
export function scoreThresholds(release: CanaryRelease, releases: number): number[] {
  const { mean, variance } = absentMoments(release);
  const centre = releases * mean;
  const halfDeviation = Math.sqrt(releases * variance) / 2;
  const around = Array.from({ length: 28 }, (_, i) => centre + (i - 11) * halfDeviation);
  return [...around, 1, 2, 4, 8];
}

/** Mean and variance of the score of one release when the canary is absent, by the trapezoidal rule. */
function absentMoments(release: CanaryRelease): { mean: number; variance: number } {
  const score = canaryScorer(release);
  const stdDev = release.noiseMultiplier * Math.sqrt(release.localSteps);
  const [points, reach] = [2000, 9];
  let [weight, first, second] = [0, 0, 0];
  for (let i = 0; i <= points; i++) {
    const z = reach * ((2 * i) / points - 1);
    const density = Math.exp((-z * z) / 2);
    const value = score(z * stdDev);
    weight += density;
    first += density * value;
    second += density * value * value;
  }
  const mean = first / weight;
  return { mean, variance: Math.max(0, second / weight - mean * mean) };
}
