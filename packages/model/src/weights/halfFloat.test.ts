import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { LARGEST_HALF, firstNotFinite, halfTable, narrowToHalf, widen } from './halfFloat.ts';

/** Bits of the non-negative finite numbers of binary16, in the order of their values: that is the order of the bits. */
const FINITE = Array.from({ length: 0x7c00 }, (_, bits) => bits);

function bitsOf(...values: number[]): number[] {
  return [...new Uint16Array(narrowToHalf(Float32Array.from(values)).buffer)];
}

test('known patterns: 1, 2^-24, 65504, -2, 3.140625, -0, the largest subnormal, infinity, NaN', () => {
  const patterns = [0x3c00, 0x0001, 0x7bff, 0xc000, 0x4248, 0x8000, 0x03ff, 0xfc00, 0x7e00];
  expect(patterns.map((bits) => halfTable()[bits])).toEqual([
    1,
    2 ** -24,
    LARGEST_HALF,
    -2,
    3.140625,
    -0,
    (1023 / 1024) * 2 ** -14,
    -Infinity,
    NaN,
  ]);
});

test('every half is its own nearest half, with its sign', () => {
  const table = halfTable();
  const signed = [...FINITE, ...FINITE.map((bits) => bits | 0x8000)];
  expect(bitsOf(...signed.map((bits) => table[bits]!))).toEqual(signed);
});

test('between two halves the nearer one is taken, in the middle the even one', () => {
  const table = halfTable();
  const pairs = FINITE.slice(1).map((bits) => [bits - 1, bits] as const);
  // The middle of two halves has one digit more and is exact in float32, and so are its neighbours
  const middles = pairs.map(([below, above]) => (table[below]! + table[above]!) / 2);
  const step = (value: number, by: number) => {
    const words = new Uint32Array(Float32Array.of(value).buffer);
    words[0]! += by;
    return new Float32Array(words.buffer)[0]!;
  };
  expect(bitsOf(...middles)).toEqual(pairs.map(([below, above]) => (below % 2 === 0 ? below : above)));
  expect(bitsOf(...middles.map((middle) => step(middle, 1)))).toEqual(pairs.map(([, above]) => above));
  expect(bitsOf(...middles.map((middle) => step(middle, -1)))).toEqual(pairs.map(([below]) => below));
  expect(bitsOf(-middles[5]!)).toEqual([0x8006]);
});

test('what is under half of the smallest half becomes a zero of its sign', () => {
  expect(bitsOf(2 ** -25, -(2 ** -26), 2 ** -149, -0, 1.5 * 2 ** -25)).toEqual([0, 0x8000, 0, 0x8000, 1]);
});

test('every format is widened from any position of a buffer', () => {
  const at = (words: Uint16Array | Float32Array, offset: number): Uint8Array => {
    const buffer = new Uint8Array(words.byteLength + 8);
    buffer.set(new Uint8Array(words.buffer), offset);
    return buffer.subarray(offset, offset + words.byteLength);
  };
  for (const offset of [0, 1, 2, 3, 4]) {
    expect([...widen(at(Uint16Array.of(0x3c00, 0xc000), offset), 'F16')]).toEqual([1, -2]);
    expect([...widen(at(Uint16Array.of(0x3f80, 0xc000, 0x4049, 0x0080), offset), 'BF16')]).toEqual([
      1,
      -2,
      3.140625,
      2 ** -126,
    ]);
    expect([...widen(at(Float32Array.of(0.1, -3e-39), offset), 'F32')]).toEqual([
      ...Float32Array.of(0.1, -3e-39),
    ]);
  }
});

test('every pattern of 16 bits that is no finite number is found, at any position of a buffer', () => {
  const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
  for (const format of ['F16', 'BF16'] as const) {
    const values = widen(new Uint8Array(all.buffer), format);
    const expected = [...values.keys()].filter((bits) => !Number.isFinite(values[bits]!));
    const found = [...all].filter(
      (bits) => firstNotFinite(new Uint8Array(Uint16Array.of(bits).buffer), format) === 0,
    );
    expect(found).toEqual(expected);
  }
  const bytes = (values: number[], offset: number) => {
    const buffer = new Uint8Array(4 * values.length + offset);
    buffer.set(new Uint8Array(Float32Array.from(values).buffer), offset);
    return buffer.subarray(offset);
  };
  for (const offset of [0, 1, 2, 3]) {
    expect(firstNotFinite(bytes([1, -3.4e38, 1e-45, NaN, 2], offset), 'F32')).toBe(3);
    expect(firstNotFinite(bytes([1, 2, -Infinity], offset), 'F32')).toBe(2);
    expect(firstNotFinite(bytes([1, -0, 3.4028234663852886e38], offset), 'F32')).toBe(-1);
  }
});

test.each([
  ['F32', [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]],
  ['F16', [0, 0x3c, 0, 0xc0]],
  ['BF16', [0x80, 0x3f, 0, 0xc0]],
] as const)('%s in a Node buffer, which shares its memory with others, at any offset', (format, bytes) => {
  for (const offset of [0, 1, 2, 3]) {
    const pool = Buffer.alloc(64, 0x55);
    pool.set(bytes, offset);
    const stored = pool.subarray(offset, offset + bytes.length);
    expect(widen(stored, format)).toEqual(Float32Array.of(1, -2));
    expect(firstNotFinite(stored, format)).toBe(-1);
  }
});
