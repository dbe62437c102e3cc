/**
 * How often a 50-50 guesser can be right about one unit of privacy (is this row in the data or not?) against an
 * (epsilon, delta)-guarantee: at most (e^epsilon + delta) / (1 + e^epsilon). Blind guessing is right half the time.
 * Source: hypothesis-testing view of differential privacy (Kairouz, Oh, Viswanath 2015), equal priors.
 * @param epsilon total over all that is released, >= 0
 * @param delta   in [0, 1]
 * @returns a probability in [0.5, 1]
 */
export function bestGuess(epsilon: number, delta: number): number {
  // Written with e^-epsilon, which does not overflow for a large epsilon.
  const inverse = Math.exp(-epsilon);
  return Math.min(1, (1 + delta * inverse) / (1 + inverse));
}

/**
 * The same as "right at most N times in 100", rounded up because it is an upper bound: whole numbers up to 99,
 * then two decimals; 100 when even those say nothing any more.
 */
export function timesInHundred(epsilon: number, delta: number): number {
  const times = 100 * bestGuess(epsilon, delta);
  const whole = Math.ceil(times - 1e-9);
  return whole < 100 ? whole : Math.ceil(100 * times - 1e-9) / 100;
}

/** From here on the page says "weak protection" in words. */
export const WEAK_EPSILON = 4;
