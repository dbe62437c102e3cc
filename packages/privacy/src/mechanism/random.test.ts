import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test } from 'vitest';
import { BufferedUniform, webCryptoRandom } from './random.ts';
import type { RandomSource } from './random.ts';

/** The bytes, filled by Web Crypto. */
function filled(bytes: Uint8Array): Uint8Array {
  webCryptoRandom.fill(bytes);
  return bytes;
}

test('webCryptoRandom fills more than one getRandomValues call may, to the last byte', () => {
  const bytes = filled(new Uint8Array(3 * 65_536 + 7_000));
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte]! += 1;
  const expected = bytes.length / 256;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(chiSquare).toBeLessThan(255 + 10 * Math.sqrt(2 * 255)); // 255 degrees of freedom, 10 s.d.
  for (let start = 0; start < bytes.length; start += 100) {
    expect(bytes.subarray(start, start + 100).some((byte) => byte !== 0)).toBe(true); // zeros: 256^-100
  }
});

test('webCryptoRandom fills only the view it was given', () => {
  const whole = new Uint8Array(300);
  filled(whole.subarray(100, 200));
  expect(whole.subarray(0, 100).every((byte) => byte === 0)).toBe(true);
  expect(whole.subarray(100, 200).some((byte) => byte !== 0)).toBe(true);
  expect(whole.subarray(200).every((byte) => byte === 0)).toBe(true);
});

/** A source whose 32-bit words are those of a list. */
function words(...list: number[]): RandomSource {
  let next = 0;
  return {
    fill(bytes) {
      const view = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      if (next + view.length > list.length) throw new Error('more words were drawn than the test gave');
      for (let i = 0; i < view.length; i++) view[i] = list[next++]!;
    },
  };
}

test('uniforms stay strictly between 0 and 1 at both ends', () => {
  expect(new BufferedUniform(words(0xffffffff, 0xffffffff), 1).next()).toBe(1 - 2 ** -53);
  expect(new BufferedUniform(words(0, 1 << 6), 1).next()).toBe(2 ** -53);
  // Bits below the 53 are not used; all-zero draws are drawn again.
  expect(new BufferedUniform(words(0, 0, 31, 63, 1 << 31, 0), 1).next()).toBe(0.5);
});

test('uniforms use the whole of 53 bits', () => {
  const high = 0b101 << 5;
  const low = 0b11 << 6;
  expect(new BufferedUniform(words(high, low), 1).next()).toBe((0b101 * 2 ** 26 + 0b11) / 2 ** 53);
});

describe('exponentials are −ln of 106 bits', () => {
  const fraction = [1 << 31, 0]; // 1/2
  const exponential = (...list: number[]) =>
    new BufferedUniform(words(...list), list.length / 2).exponential();

  test('near the end of the tail', () => {
    expect(exponential(0, 0, 0, 1 << 6)).toBeCloseTo(106 * Math.LN2, 12); // u = 2^-106
    expect(exponential(0, 0, ...fraction)).toBeCloseTo(54 * Math.LN2, 12);
    expect(exponential(0, 1 << 6, ...fraction)).toBeCloseTo(53 * Math.LN2 - Math.log(1.5), 12);
    expect(exponential(0, 2 << 6, ...fraction)).toBeCloseTo(53 * Math.LN2 - Math.log(2.5), 12);
  });

  test('near zero, which is not reached', () => {
    expect(exponential(0xffffffff, 0xffffffff, 0, 1 << 6) * 2 ** 106).toBeCloseTo(1, 12);
    expect(exponential(0xffffffff, 0xffffffff, ...fraction) * 2 ** 54).toBeCloseTo(1, 12);
  });

  test('on both sides of the middle', () => {
    expect(exponential(0x7fffffff, 0xffffffff, ...fraction)).toBeCloseTo(Math.LN2, 14);
    expect(exponential(0x80000000, 0, ...fraction)).toBeCloseTo(Math.LN2, 14);
    expect(exponential(0x40000000, 0, ...fraction)).toBeCloseTo(2 * Math.LN2, 14);
    expect(exponential(0xc0000000, 0, ...fraction)).toBeCloseTo(Math.log(4 / 3), 14);
  });

  test('as a whole', () => {
    const uniform = new BufferedUniform(seededRandom(4), 300);
    const cells = new Float64Array(100);
    for (let i = 0; i < 200_000; i++) cells[Math.floor(100 * Math.exp(-uniform.exponential()))]! += 1;
    const chiSquare = cells.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeGreaterThan(45); // 99 degrees of freedom, s.d. 14
    expect(chiSquare).toBeLessThan(170);
  });
});

test('uniforms are uniform over 100 cells and fetch anew after each block', () => {
  const uniform = new BufferedUniform(seededRandom(3), 7);
  const cells = new Float64Array(100);
  for (let i = 0; i < 200_000; i++) cells[Math.floor(100 * uniform.next())]! += 1;
  const chiSquare = cells.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
  expect(chiSquare).toBeGreaterThan(45); // 99 degrees of freedom, s.d. 14
  expect(chiSquare).toBeLessThan(170);
});

test.each([0, -1, 1.5, Number.NaN])('a block of %s numbers is refused', (length) => {
  expect(() => new BufferedUniform(webCryptoRandom, length)).toThrow(RangeError);
});
