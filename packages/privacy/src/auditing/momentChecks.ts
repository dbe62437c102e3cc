import { clopperPearsonLower, clopperPearsonUpper } from './clopperPearson.ts';

/**
 * Standard scores over this are taken for a defect. A correct mechanism gets there about once in 1e5 checks: the normal
 * tail beyond 5 is 6e-7, and sums of some hundred squares, which are a little skewed, reach it 20 times as often.
 */
export const LARGEST_STANDARD_SCORE = 5;

/** What independent Bernoulli(q) coins look like when all of them can be seen. */
export type CoinCheck = {
  observedRate: number;
  rateLower: number;
  rateUpper: number;
  /** Spread of the batch sizes against that of a binomial: −5 or less for batches of a fixed size. */
  batchSizeScore: number;
  /** Spread of how often each example joined: −5 or less when examples take turns, 5 or more when some are favoured. */
  participationScore: number;
  passed: boolean;
};

/** Collects the coins of several trainings. */
export class CoinTally {
  readonly #samplingRate: number;
  #coins = 0;
  #heads = 0;
  readonly #batchSizes = new SpreadTally();
  readonly #participations = new SpreadTally();

  /** @param samplingRate q in (0, 1] */
  constructor(samplingRate: number) {
    this.#samplingRate = samplingRate;
  }

  /**
   * One training.
   * @param timesDrawn how often each release drew each example, shape [releases][examples]
   * @param coinsEach  coins an example throws in one release: its local steps
   */
  add(timesDrawn: readonly (readonly number[])[], coinsEach: number): void {
    const exampleCount = timesDrawn[0]?.length ?? 0;
    const participation = Array.from({ length: exampleCount }, () => 0);
    for (const release of timesDrawn) {
      const size = release.reduce((sum, times) => sum + times, 0);
      this.#batchSizes.add(size, exampleCount * coinsEach, this.#samplingRate);
      release.forEach((times, example) => (participation[example]! += times));
      this.#coins += exampleCount * coinsEach;
      this.#heads += size;
    }
    for (const times of participation) {
      this.#participations.add(times, timesDrawn.length * coinsEach, this.#samplingRate);
    }
  }

  /** @param errorProbability how often the interval of the rate may miss the true one */
  check(errorProbability: number): CoinCheck {
    // An example that was drawn twice by one coin makes more heads than coins
    const heads = Math.min(this.#heads, this.#coins);
    const rateLower = clopperPearsonLower(heads, this.#coins, errorProbability / 2);
    const rateUpper = clopperPearsonUpper(heads, this.#coins, errorProbability / 2);
    const batchSizeScore = this.#batchSizes.standardScore();
    const participationScore = this.#participations.standardScore();
    return {
      observedRate: this.#heads / this.#coins,
      rateLower,
      rateUpper,
      batchSizeScore,
      participationScore,
      passed:
        this.#heads <= this.#coins &&
        rateLower <= this.#samplingRate &&
        this.#samplingRate <= rateUpper &&
        Math.abs(batchSizeScore) < LARGEST_STANDARD_SCORE &&
        Math.abs(participationScore) < LARGEST_STANDARD_SCORE,
    };
  }
}

/** Squared deviations of binomial counts, against what they should add up to. */
class SpreadTally {
  #observed = 0;
  #expected = 0;
  #variance = 0;

  add(value: number, trials: number, probability: number): void {
    const variance = trials * probability * (1 - probability);
    this.#observed += (value - trials * probability) ** 2;
    this.#expected += variance;
    // Fourth central moment of a binomial, less the square of its second
    this.#variance += variance * (2 * variance + 1 - 6 * probability * (1 - probability));
  }

  standardScore(): number {
    const difference = this.#observed - this.#expected;
    if (this.#variance > 0) return difference / Math.sqrt(this.#variance);
    return difference === 0 ? 0 : Infinity; // sampling rate 1: nothing may vary
  }
}

/** What independent normal noise looks like where nothing else is. */
export type NoiseCheck = {
  /** Standard deviation found, over what is claimed. */
  ratio: number;
  /** How far the noise is from the claimed size, in standard errors; −5 or less: too little noise. */
  sizeScore: number;
  /** Correlation of a coordinate's noise with that of its next release, in standard errors. */
  releaseScore: number;
  /** Correlation of neighbouring coordinates' noise, in standard errors. */
  neighbourScore: number;
  passed: boolean;
};

/** Collects the noise of coordinates in which there is nothing but noise. */
export class NoiseTally {
  #count = 0;
  #squares = 0;
  #releasePairs = 0;
  #releaseProducts = 0;
  #neighbourPairs = 0;
  #neighbourProducts = 0;

  /**
   * One release.
   * @param noise    in units of the claimed standard deviation, shape [coordinates]
   * @param previous the training's release before, same shape; null for the first
   */
  add(noise: Float64Array, previous: Float64Array | null): void {
    for (let i = 0; i < noise.length; i++) {
      const value = noise[i]!;
      this.#squares += value * value;
      if (previous !== null) this.#releaseProducts += value * previous[i]!;
      if (i > 0) this.#neighbourProducts += value * noise[i - 1]!;
    }
    this.#count += noise.length;
    if (previous !== null) this.#releasePairs += noise.length;
    this.#neighbourPairs += Math.max(0, noise.length - 1);
  }

  check(): NoiseCheck {
    const meanSquare = this.#squares / this.#count;
    const correlationScore = (products: number, pairs: number) =>
      pairs === 0 || meanSquare === 0 ? 0 : products / (meanSquare * Math.sqrt(pairs));
    const sizeScore = (meanSquare - 1) * Math.sqrt(this.#count / 2);
    const releaseScore = correlationScore(this.#releaseProducts, this.#releasePairs);
    const neighbourScore = correlationScore(this.#neighbourProducts, this.#neighbourPairs);
    return {
      ratio: Math.sqrt(meanSquare),
      sizeScore,
      releaseScore,
      neighbourScore,
      // More noise than claimed breaks no promise
      passed:
        sizeScore > -LARGEST_STANDARD_SCORE &&
        Math.abs(releaseScore) < LARGEST_STANDARD_SCORE &&
        Math.abs(neighbourScore) < LARGEST_STANDARD_SCORE,
    };
  }
}
