/**
 * Random bytes that nobody outside the tab can predict. Injected so that tests can be repeated; product code passes
 * `webCryptoRandom` only.
 */
export type RandomSource = {
  /** Overwrites all of `bytes` with independent uniform bytes. */
  fill(bytes: Uint8Array): void;
};

/** `getRandomValues` refuses more than this in one call (Web Cryptography API, section 10.1.1). */
const WEB_CRYPTO_LIMIT_BYTES = 65_536;

/** The platform's cryptographic generator; the only source that product code may use. */
export const webCryptoRandom: RandomSource = {
  fill(bytes) {
    for (let start = 0; start < bytes.length; start += WEB_CRYPTO_LIMIT_BYTES) {
      webCrypto.getRandomValues(bytes.subarray(start, start + WEB_CRYPTO_LIMIT_BYTES));
    }
  },
};

/**
 * Uniform numbers from a source's bytes, 8 bytes for 53 bits, fetched in blocks because each call into Web Crypto costs
 * more than the bytes do.
 */
export class BufferedUniform {
  readonly #random: RandomSource;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  #next: number;

  /** @param blockLength 53-bit numbers fetched at once, an integer ≥ 1 */
  constructor(random: RandomSource, blockLength = 1024) {
    if (!Number.isSafeInteger(blockLength) || blockLength < 1) {
      throw new RangeError(`blockLength must be an integer of at least 1, got ${blockLength}`);
    }
    this.#random = random;
    this.#words = new Uint32Array(2 * blockLength);
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.#next = this.#words.length;
  }

  /**
   * One of the 2^53 − 1 multiples of 2^-53 strictly between 0 and 1, all equally likely.
   * 0 is drawn again: its logarithm is no number. (Adding half a step instead would round the largest value to 1.)
   */
  next(): number {
    for (;;) {
      const integer = this.#integer();
      if (integer !== 0) return integer * 2 ** -53;
    }
  }

  /**
   * An exponential number of mean 1: −ln u of a uniform u of 106 bits, taken from the nearer end of (0, 1), where float64
   * holds u, or 1 − u, to 53 digits of its own. Of 53 bits the smallest u would be few and far apart.
   * @returns from about 2^-106 to 106·ln 2 = 73.5
   */
  exponential(): number {
    const integer = this.#integer();
    const rest = this.next();
    return integer < 2 ** 52
      ? -Math.log((integer + rest) * 2 ** -53)
      : -Math.log1p(-(2 ** 53 - 1 - integer + rest) * 2 ** -53);
  }

  /** An integer from 0 to 2^53 − 1, all equally likely. */
  #integer(): number {
    if (this.#next === this.#words.length) {
      this.#random.fill(this.#bytes);
      this.#next = 0;
    }
    const high = this.#words[this.#next]! >>> 5; // 27 bits
    const low = this.#words[this.#next + 1]! >>> 6; // 26 bits
    this.#next += 2;
    return high * 2 ** 26 + low; // exact
  }
}

// This package compiles without the DOM library; every place it runs (tab, worker, Node) has Web Crypto.
type Crypto = { getRandomValues(bytes: Uint8Array): unknown };
const webCrypto = (globalThis as unknown as { crypto: Crypto }).crypto;
