/** The number formats weights may be stored in, with their bytes per number. */
export const FLOAT_BYTES = { F32: 4, F16: 2, BF16: 2 } as const;
export type FloatFormat = keyof typeof FLOAT_BYTES;

export function isFloatFormat(dtype: string): dtype is FloatFormat {
  return Object.hasOwn(FLOAT_BYTES, dtype);
}

/** The largest finite number of binary16. */
export const LARGEST_HALF = 65504;

let halves: Float32Array | null = null;

/**
 * IEEE 754 binary16 (sign, 5 exponent bits with bias 15, 10 fraction bits): the value of each of the 65,536 patterns. A
 * table of 256 KiB is several times faster than arithmetic.
 */
export function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 65_536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return halves;
}

/**
 * Stored numbers as float32; exact, for float32 holds all of F16 and BF16.
 * @param bytes little-endian, at any position of its buffer
 * @returns a new array
 */
export function widen(bytes: Uint8Array, format: FloatFormat): Float32Array {
  switch (format) {
    case 'F32':
      // A copy, aligned whatever the position in the file was
      return new Float32Array(copyOf(bytes).buffer);
    case 'F16': {
      const table = halfTable();
      const halfWords = words16(bytes);
      const values = new Float32Array(halfWords.length);
      for (let i = 0; i < values.length; i++) values[i] = table[halfWords[i]!]!;
      return values;
    }
    case 'BF16': {
      // bfloat16 is the upper half of a float32
      const halfWords = words16(bytes);
      const words = new Uint32Array(halfWords.length);
      for (let i = 0; i < words.length; i++) words[i] = halfWords[i]! << 16;
      return new Float32Array(words.buffer);
    }
    default:
      return format satisfies never;
  }
}

/** In memory of its own, at its start. A Node `Buffer` is a Uint8Array whose `slice` is a view of a shared pool. */
function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Bytes as 16-bit words: a view where they lie at an even position of their buffer, else of a copy. */
export function words16(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 2 === 0 ? bytes : copyOf(bytes);
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

/**
 * Looks for a NaN or an infinity, which have all exponent bits set, in the bits themselves: a model has a hundred million
 * numbers, and nothing is widened for it.
 * @returns index of the first; -1 when all numbers are finite
 */
export function firstNotFinite(bytes: Uint8Array, format: FloatFormat): number {
  const exponent = EXPONENT_BITS[format];
  const words = format === 'F32' ? words32(bytes) : words16(bytes);
  for (let i = 0; i < words.length; i++) if ((words[i]! & exponent) === exponent) return i;
  return -1;
}

const EXPONENT_BITS: Readonly<Record<FloatFormat, number>> = { F32: 0x7f80_0000, F16: 0x7c00, BF16: 0x7f80 };

function words32(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : copyOf(bytes);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/**
 * Float32 values rounded to binary16, half to even, as little-endian bytes.
 * @param values at most `LARGEST_HALF` in absolute value
 */
export function narrowToHalf(values: Float32Array): Uint8Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halfWords = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fff_ffff;
    const half = magnitude < SMALLEST_NORMAL ? subnormal(values[i]!) : normal(magnitude);
    halfWords[i] = ((word >>> 16) & 0x8000) | half;
  }
  return new Uint8Array(halfWords.buffer);
}

/** Float32 bits of 2^-14, the smallest normal number of binary16. */
const SMALLEST_NORMAL = 0x3880_0000;
/** 127 - 15, the difference of the two exponent biases, where float32 has its exponent. */
const REBIAS = 112 << 23;

/** A fraction that rounds up to the next power of two carries into the exponent, as it should. */
function normal(magnitude: number): number {
  return (magnitude - REBIAS + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
}

/** In units of 2^-24. */
function subnormal(value: number): number {
  const scaled = Math.abs(value) * 2 ** 24;
  const whole = Math.floor(scaled);
  const rest = scaled - whole;
  return rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? whole + 1 : whole;
}
