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
 * Uniform numbers from a source's bytes, 8 bytes each, fetched in blocks because each call into Web Crypto costs
 * more than the bytes do.
 */
export class BufferedUniform {
  readonly #random: RandomSource;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  #next: number;

  /** @param blockLength numbers fetched at once, an integer ≥ 1 */
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
      if (this.#next === this.#words.length) {
        this.#random.fill(this.#bytes);
        this.#next = 0;
      }
      const high = this.#words[this.#next]! >>> 5; // 27 bits
      const low = this.#words[this.#next + 1]! >>> 6; // 26 bits
      this.#next += 2;
      const integer = high * 2 ** 26 + low; // < 2^53, exact
      if (integer !== 0) return integer * 2 ** -53;
    }
  }
}

// This package compiles without the DOM library; every place it runs (tab, worker, Node) has Web Crypto.
type Crypto = { getRandomValues(bytes: Uint8Array): unknown };
const webCrypto = (globalThis as unknown as { crypto: Crypto }).crypto;
