/** Fills bytes; structurally the `RandomSource` of `packages/privacy`, which this file must not import. */
export type SeededRandom = { fill(bytes: Uint8Array): void };

/**
 * Repeatable random bytes for tests: xoshiro128** (Blackman and Vigna), seeded by splitmix32. Predictable by design,
 * hence in this package and nowhere that product code can reach.
 * @param seed an integer; its low 32 bits count
 */
export function seededRandom(seed: number): SeededRandom {
  let counter = seed | 0;
  const splitmix = () => {
    counter = (counter + 0x9e3779b9) | 0;
    let z = Math.imul(counter ^ (counter >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const next32 = () => {
    const scrambled = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return scrambled;
  };
  return {
    fill(bytes) {
      for (let i = 0; i < bytes.length; i += 4) {
        const word = next32();
        for (let j = 0; j < 4 && i + j < bytes.length; j++) bytes[i + j] = word >>> (8 * j);
      }
    },
  };
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
