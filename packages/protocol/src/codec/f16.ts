import type { ScaledEncoding } from './scaledEncoding.ts';
import { SMALLEST_SCALE, exponentOf } from './scaledEncoding.ts';

/** The largest magnitude of a tensor is written as a number from 2^14 to 2^15; half precision ends at 65,504. */
const LARGEST_EXPONENT = 14;
const SMALLEST_NORMAL_EXPONENT = -14;
const FRACTION_BITS = 10;

/**
 * IEEE 754 half precision (binary16), 2 bytes a value, with a power of two as the scale: ten bits behind the first one, so
 * that a step is a thousandth of the value or less, down to 2^-29 of the tensor's largest one; below that steps stay equal.
 */
export const f16: ScaledEncoding = {
  bytesPerValue: 2,
  scaleBits: 1,
  largestValue: 999_936, // 1953 steps of 2^9
  scaleFor: (largest) => Math.max(SMALLEST_SCALE, 2 ** (exponentOf(largest) - LARGEST_EXPONENT)),
  encode(values, scale, codes, rounding) {
    const halves = new Uint16Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const magnitude = Math.abs(value) / scale; // exact: the scale is a power of two
      const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
      if (magnitude === 0) {
        halves[i] = sign;
        continue;
      }
      const exponent = Math.max(exponentOf(magnitude), SMALLEST_NORMAL_EXPONENT);
      // 1024 to 2047 of a normal number, less of a denormal one. Rounding up to 2048 carries into the exponent, as it should
      const steps = rounding.round(magnitude * POWERS_OF_TWO[FRACTION_BITS - exponent + 15]!);
      halves[i] = sign + ((exponent - SMALLEST_NORMAL_EXPONENT) << FRACTION_BITS) + steps;
    }
    codes.set(new Uint8Array(halves.buffer));
  },
  decode(codes, scale, values) {
    const table = halfTable();
    const halves = new Uint16Array(codes.buffer, codes.byteOffset, values.length);
    for (let i = 0; i < values.length; i++) values[i] = table[halves[i]!]! * scale;
  },
};

/** 2^(i − 15) for the exponents that steps can have. */
const POWERS_OF_TWO = Float64Array.from({ length: 64 }, (_, i) => 2 ** (i - 15));

/** What every half is worth, shape [65536]; made when it is first needed. */
function halfTable(): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => valueOfHalf(bits));
  return table;
}
let table: Float32Array | null = null;

/** IEEE 754-2019, section 3.4: 1 sign bit, 5 exponent bits, 10 fraction bits. */
function valueOfHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> FRACTION_BITS) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
}
