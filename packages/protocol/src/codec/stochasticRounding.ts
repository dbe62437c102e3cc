import type { RandomSource } from '@chorale/privacy';

/** What one call into Web Crypto gives at most; each costs more than its bytes do. */
const LARGEST_BLOCK_WORDS = 65_536 / 4;

/**
 * Rounds numbers to one of the two integers around them, up with the probability of the part behind the point, so that
 * the mean over the random bits is the number itself and errors of many updates cancel out instead of adding up.
 *
 * The bits protect nobody. What is rounded was privatized before, and whatever is done to it afterwards without looking at
 * the data again, this included, costs no privacy (post-processing: Dwork and Roth 2014, proposition 2.1). They are from a
 * cryptographic generator all the same, so that a tab has one source of randomness only.
 */
export class StochasticRounding {
  readonly #random: RandomSource;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  #next: number;

  /** @param count about how many numbers will be rounded, at least 1: so many random words are fetched at once */
  constructor(random: RandomSource, count: number) {
    this.#random = random;
    this.#words = new Uint32Array(Math.min(count, LARGEST_BLOCK_WORDS));
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.#next = this.#words.length;
  }

  /**
   * @param magnitude from 0 to 2^52; an integer stays as it is
   * @returns the integer below it or the one above; its mean is `magnitude` exactly
   */
  round(magnitude: number): number {
    const below = Math.floor(magnitude);
    const fraction = magnitude - below; // exact: both are multiples of magnitude's last bit
    return fraction > 0 && this.#isBelow(fraction) ? below + 1 : below;
  }

  /**
   * True with exactly this probability: whether a uniform real number is below it. Its binary digits are drawn 32 at a
   * time, until they differ from those of the fraction, mostly at once.
   */
  #isBelow(fraction: number): boolean {
    let rest = fraction;
    while (rest > 0) {
      rest *= 2 ** 32;
      const digits = Math.floor(rest);
      const drawn = this.#word();
      if (drawn !== digits) return drawn < digits;
      rest -= digits;
    }
    return false;
  }

  #word(): number {
    if (this.#next === this.#words.length) {
      this.#random.fill(this.#bytes);
      this.#next = 0;
    }
    return this.#words[this.#next++]!;
  }
}
