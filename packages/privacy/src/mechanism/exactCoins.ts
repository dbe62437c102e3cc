import type { RandomSource } from './random.ts';

const WORD = 2 ** 32;
const BLOCK_WORDS = 1024;

/**
 * Exact random decisions from random bytes: all arithmetic is on integers below 2^53, so no probability is rounded. After
 * Canonne, Kamath and Steinke 2020 (arXiv 2004.00010), section 5.
 */
export class ExactCoins {
  readonly #random: RandomSource;
  readonly #words = new Uint32Array(BLOCK_WORDS);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  #next = BLOCK_WORDS;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /**
   * A uniform integer from 0 to limit − 1.
   * @param limit an integer from 1 to 2^53; anything else gives a wrong distribution
   */
  below(limit: number): number {
    if (limit <= WORD) {
      const accepted = WORD - (WORD % limit); // the largest multiple of limit; what is over it would favour small results
      for (;;) {
        const word = this.#word();
        if (word < accepted) return word % limit;
      }
    }
    const accepted = 2 ** 53 - (2 ** 53 % limit);
    for (;;) {
      const integer = (this.#word() >>> 11) * WORD + this.#word(); // 53 bits
      if (integer < accepted) return integer % limit;
    }
  }

  /** True with probability 1/2. */
  flip(): boolean {
    return this.#word() >>> 31 === 1;
  }

  /**
   * True with probability exp(−numerator/denominator), exactly (Algorithm 1). The factor 1/k of the paper's
   * Bernoulli(γ/k) is a coin of its own, so that no product can pass 2^53.
   * @param numerator   an integer ≥ 0, at most denominator
   * @param denominator an integer from 1 to 2^53
   */
  expMinus(numerator: number, denominator: number): boolean {
    let k = 1;
    while ((k === 1 || this.below(k) === 0) && this.below(denominator) < numerator) k += 1;
    return k % 2 === 1;
  }

  #word(): number {
    if (this.#next === BLOCK_WORDS) {
      this.#random.fill(this.#bytes);
      this.#next = 0;
    }
    return this.#words[this.#next++]!;
  }
}
