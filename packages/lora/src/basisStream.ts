import { chacha20 } from '@noble/ciphers/chacha.js';

const CHUNK_BYTES = 4096;

/**
 * The public random stream that A and the head's start are derived from: the ChaCha20 keystream (RFC 8439) with
 *   key   = the 32-bit seed, little-endian, then 28 zero bytes
 *   nonce = the first 12 bytes of the UTF-8 purpose ("kaiming", "orthonormal", "svd", "head"), zero-padded
 * read as little-endian 32-bit words w, each giving the uniform w / 2^32 in [0, 1). Only IEEE additions,
 * multiplications, divisions and square roots are applied to them (no log, no cosine), so every browser gets the same
 * bits; `docs/basis.md` says what is made of them. It is public and not a source of privacy noise.
 */
export class BasisStream {
  readonly #key = new Uint8Array(32);
  readonly #nonce = new Uint8Array(12);
  #words = new DataView(new ArrayBuffer(0));
  #at = 0;
  #blockCounter = 0;

  constructor(seed: number, purpose: string) {
    new DataView(this.#key.buffer).setUint32(0, seed, true);
    this.#nonce.set(new TextEncoder().encode(purpose).subarray(0, 12));
  }

  /** A multiple of 2^-32 in [0, 1). */
  uniform(): number {
    if (this.#at >= this.#words.byteLength) this.#refill();
    const word = this.#words.getUint32(this.#at, true);
    this.#at += 4;
    return word / 2 ** 32;
  }

  /** Mean 0, variance 1, nearly normal: the sum of twelve uniforms minus six (Irwin-Hall), exact in float64. */
  bell(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.uniform();
    return sum;
  }

  #refill(): void {
    const bytes = chacha20(
      this.#key,
      this.#nonce,
      new Uint8Array(CHUNK_BYTES),
      undefined,
      this.#blockCounter,
    );
    this.#blockCounter += CHUNK_BYTES / 64;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
  }
}
