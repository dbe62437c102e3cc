import { malformed } from './header.ts';
import type { ScaledEncoding } from './scaledEncoding.ts';
import { SMALLEST_SCALE, exponentOf } from './scaledEncoding.ts';

const LARGEST_CODE = 127;
const SCALE_BITS = 17;

/**
 * Whole numbers from -127 to 127, 1 byte a value: all values of a tensor in equal steps of 1/127 of its largest one. -128
 * is no code, so that the codes are as symmetric as the noise.
 */
export const int8: ScaledEncoding = {
  bytesPerValue: 1,
  scaleBits: SCALE_BITS,
  largestValue: 999_998, // 127 steps of 7874
  /** Rounded up to its few bits, so that the largest value stays within 127 codes; 2^-16 of the range are lost by that. */
  scaleFor(largest) {
    const exact = Math.max(SMALLEST_SCALE, largest / LARGEST_CODE);
    const lastBit = 2 ** (exponentOf(exact) - (SCALE_BITS - 1));
    return Math.ceil(exact / lastBit) * lastBit;
  },
  encode(values, scale, codes, rounding) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const steps = rounding.round(Math.abs(value) / scale);
      codes[i] = value < 0 ? -steps : steps; // two's complement
    }
  },
  decode(codes, scale, values) {
    const signed = new Int8Array(codes.buffer, codes.byteOffset, codes.length);
    let lowest = 0;
    for (let i = 0; i < values.length; i++) {
      const code = signed[i]!;
      if (code < lowest) lowest = code;
      values[i] = code * scale;
    }
    if (lowest < -LARGEST_CODE)
      throw malformed(`codes from -${LARGEST_CODE} to ${LARGEST_CODE}, got ${lowest}`);
  },
};
