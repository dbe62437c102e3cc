import { ChoraleError } from '../errors.ts';
import { malformed } from './header.ts';
import type { StochasticRounding } from './stochasticRounding.ts';

/**
 * An encoding that writes each value of a tensor as a small code, and says with the tensor's scale what a code of 1 is
 * worth: value = code × scale, exactly, in float32. Products are exact because scales have few significant bits
 * (`scaleBits`), so that every language and every order of operations decodes the same numbers.
 */
export type ScaledEncoding = {
  bytesPerValue: 1 | 2;
  /** How many significant bits a scale has at most. */
  scaleBits: number;
  /** The largest value up to 1e6 that it can write: rounding up from no more than that, nothing gets over 1e6. */
  largestValue: number;
  /**
   * @param largest magnitude in a tensor, over 0, at most `largestValue`
   * @returns the scale, at least `SMALLEST_SCALE`
   */
  scaleFor(largest: number): number;
  /**
   * @param values of one tensor, none over the largest for which the scale was made
   * @param codes  as many; written
   */
  encode(values: Float32Array, scale: number, codes: Uint8Array, rounding: StochasticRounding): void;
  /**
   * @param codes  aligned to `bytesPerValue`
   * @param values as many; written, also with NaN and infinity where the codes are that
   * @throws {ChoraleError} UPDATE_MALFORMED: a code that the encoding does not have
   */
  decode(codes: Uint8Array, scale: number, values: Float32Array): void;
};

/** With it every code's value is a float32, if a denormal one. Smaller values become 0 or one step, at random. */
export const SMALLEST_SCALE = 2 ** -125;

/**
 * Of codes of up to 24 significant bits: the bits of a float32 that are behind `scaleBits` are zero, it is 0 or between
 * `SMALLEST_SCALE` and `largest`. Any such scale is taken, not only the one that our own encoder would choose.
 * @throws {ChoraleError} UPDATE_NOT_FINITE: NaN or infinity; UPDATE_MALFORMED: no scale otherwise
 */
export function requireScale(scale: number, encoding: ScaledEncoding, largest: number): void {
  if (!Number.isFinite(scale))
    throw new ChoraleError('UPDATE_NOT_FINITE', `expected finite scales, got ${scale}`);
  FLOAT32[0] = scale;
  const bits = FLOAT32_BITS[0]!;
  if (bits === 0) return; // not -0
  if (!(scale >= SMALLEST_SCALE && scale <= largest))
    throw malformed(`scales of 0 or from ${SMALLEST_SCALE} to ${largest}, got ${scale}`);
  if ((bits & (2 ** (24 - encoding.scaleBits) - 1)) !== 0)
    throw malformed(`scales of ${encoding.scaleBits} significant bits, got ${scale}`);
}

const FLOAT32 = new Float32Array(1);
const FLOAT32_BITS = new Uint32Array(FLOAT32.buffer);

/**
 * The exponent of a float64, exactly: 2^e ≤ value < 2^(e + 1). `Math.log2` rounds, and is another one in each engine.
 * @param value over 0, not denormal, finite
 */
export function exponentOf(value: number): number {
  FLOAT64[0] = value;
  return ((FLOAT64_WORDS[1]! >>> 20) & 0x7ff) - 1023;
}

const FLOAT64 = new Float64Array(1);
const FLOAT64_WORDS = new Uint32Array(FLOAT64.buffer);

/**
 * Encodes tensor by tensor. A tensor that is all zero has the scale 0 (of a zero its sign is not kept there).
 * @param values  of all tensors
 * @param counts  of each tensor; together as many as values
 * @param scales  4 × tensors bytes; written
 * @param codes   written
 */
export function encodeTensors(
  encoding: ScaledEncoding,
  values: Float32Array,
  counts: readonly number[],
  { scales, codes, rounding }: { scales: DataView; codes: Uint8Array; rounding: StochasticRounding },
): void {
  let start = 0;
  for (const [i, count] of counts.entries()) {
    const tensor = values.subarray(start, start + count);
    const largest = largestMagnitude(tensor);
    if (largest > 0) {
      const scale = encoding.scaleFor(largest);
      scales.setFloat32(4 * i, scale, true);
      const { bytesPerValue: size } = encoding;
      encoding.encode(tensor, scale, codes.subarray(size * start, size * (start + count)), rounding);
    }
    start += count;
  }
}

/**
 * Decodes tensor by tensor.
 * @param codes  at an offset of their buffer that is a multiple of `bytesPerValue`
 * @param values of all tensors; written
 * @param largest that a scale may be
 * @throws {ChoraleError} UPDATE_MALFORMED, UPDATE_NOT_FINITE as `requireScale`; values are not looked at
 */
export function decodeTensors(
  encoding: ScaledEncoding,
  { scales, codes, counts }: { scales: DataView; codes: Uint8Array; counts: readonly number[] },
  values: Float32Array,
  largest: number,
): void {
  let start = 0;
  for (const [i, count] of counts.entries()) {
    const scale = scales.getFloat32(4 * i, true);
    requireScale(scale, encoding, largest);
    const { bytesPerValue: size } = encoding;
    const ofTensor = codes.subarray(size * start, size * (start + count));
    if (scale === 0) requireZeros(ofTensor);
    else encoding.decode(ofTensor, scale, values.subarray(start, start + count));
    start += count;
  }
}

/** So that an update has one way less to be written. @throws {ChoraleError} UPDATE_MALFORMED */
function requireZeros(codes: Uint8Array): void {
  if (codes.some((byte) => byte !== 0)) throw malformed('nothing but zeros where the scale is 0');
}

function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}
