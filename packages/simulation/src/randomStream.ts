import type { Cipheriv } from 'node:crypto';
import { createCipheriv, createHash } from 'node:crypto';
import type { RandomInt } from '@chorale/coordinator';
import type { RandomSource } from '@chorale/privacy';

const STREAM_NAME = 'chorale-simulation-1';

/**
 * Repeatable random bytes of one purpose: the ChaCha20 keystream (RFC 8439, block counter from 0, nonce of zeros) with
 *   key = SHA-256 of the UTF-8 text "chorale-simulation-1", line feed, the seed in decimal, line feed, the purpose
 * Anybody can compute it, which is its point: it stands in for the secure generators of clients that do not exist.
 */
export class RandomStream implements RandomSource {
  readonly #keystream: Cipheriv;

  /**
   * @param seed    an integer from 0 to 2^32 − 1
   * @param purpose streams of other purposes are independent, so that one more draw in one place moves nothing elsewhere
   */
  constructor(seed: number, purpose: string) {
    const key = createHash('sha256').update(`${STREAM_NAME}\n${seed}\n${purpose}`).digest();
    this.#keystream = createCipheriv('chacha20', key, new Uint8Array(16));
  }

  fill(bytes: Uint8Array): void {
    bytes.set(this.#take(bytes.length));
  }

  /** One of the multiples of 2^-53 in [0, 1), all equally likely. */
  uniform(): number {
    const [high, low] = [this.#word(), this.#word()];
    return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
  }

  /**
   * An integer from 0 to bound − 1, all equally likely.
   * @param bound an integer from 1 to 2^32
   */
  readonly below: RandomInt = (bound) => {
    const usable = 2 ** 32 - (2 ** 32 % bound); // what is over it would favour small integers
    for (;;) {
      const word = this.#word();
      if (word < usable) return word % bound;
    }
  };

  /** The same values in a random order, each order equally likely (Fisher-Yates). */
  shuffled<Value>(values: readonly Value[]): Value[] {
    const result = [...values];
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [result[last], result[other]] = [result[other]!, result[last]!];
    }
    return result;
  }

  /** The next four bytes as a little-endian integer. */
  #word(): number {
    return this.#take(4).readUInt32LE();
  }

  #take(length: number): Buffer {
    return this.#keystream.update(new Uint8Array(length));
  }
}
