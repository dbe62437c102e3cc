import type { Binding } from './header.ts';

/*
 * A second decoder, from the table in header.ts alone: one number at a time, with Math instead of bits. Tests hold the
 * codec against it.
 */

export type PlainUpdate = {
  round: number;
  values: number[];
  localCounts: { correct: number; rows: number } | null;
};

/** @returns null: to be refused */
export function decodePlainly(bytes: Uint8Array, binding: Binding): PlainUpdate | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from: number, to: number) =>
    [...bytes.subarray(from, to)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (bytes.length < 88) return null;
  const [id, size] = { f32: [0, 4], f16: [1, 2], int8: [2, 1] }[binding.encoding] as [number, number];
  const [trailer, round, count, scaleCount] = [bytes[6]!, uint32(8), uint32(12), uint32(16)];
  if (text(0, 6) !== `43485255020${id}` || trailer > 1 || bytes[7] !== 0 || uint32(20) !== 0) return null;
  if (text(24, 56) !== binding.planHash || text(56, 88) !== binding.basisHash) return null;

  const { length: turns } = binding.trainedRanges;
  const range = binding.trainedRanges[round === 0 ? 0 : (round - 1) % turns]!;
  const starts = binding.tensors.map((_, i) =>
    binding.tensors.slice(0, i).reduce((sum, { count: before }) => sum + before, 0),
  );
  const own = binding.tensors.filter((_, i) => starts[i]! >= range.start && starts[i]! < range.end);
  if (count !== range.end - range.start || scaleCount !== (id === 0 ? 0 : own.length)) return null;
  if (bytes.length !== 88 + 4 * scaleCount + size * count + 16 * trailer) return null;

  const values: number[] = [];
  let at = 88 + 4 * scaleCount;
  if (id === 0) {
    for (let i = 0; i < count; i++) values.push(view.getFloat32(at + 4 * i, true));
  } else {
    for (const [i, tensor] of own.entries()) {
      const scale = view.getFloat32(88 + 4 * i, true);
      if (!isScale(scale, id === 1 ? 1 : 17)) return null;
      for (let k = 0; k < tensor.count; k++, at += size) {
        if (id === 2 && view.getInt8(at) === -128) return null;
        const code = id === 1 ? half(view.getUint16(at, true)) : view.getInt8(at);
        if (scale === 0 && (code !== 0 || Object.is(code, -0))) return null;
        values.push(scale === 0 ? 0 : code * scale);
      }
    }
  }
  if (values.some((value) => !(value >= -1e6 && value <= 1e6))) return null;
  if (trailer === 0) return { round, values, localCounts: null };
  const end = bytes.length - 16;
  const localCounts = { correct: view.getFloat64(end, true), rows: view.getFloat64(end + 8, true) };
  return Object.values(localCounts).every(Number.isSafeInteger) ? { round, values, localCounts } : null;

  function uint32(offset: number): number {
    return view.getUint32(offset, true);
  }
}

function isScale(scale: number, significantBits: number): boolean {
  if (Object.is(scale, 0)) return true;
  if (!(scale >= 2 ** -125 && scale <= 1e6)) return false;
  let mantissa = scale;
  while (mantissa >= 2 ** significantBits) mantissa /= 2;
  while (mantissa < 2 ** (significantBits - 1)) mantissa *= 2;
  return Number.isInteger(mantissa);
}

function half(bits: number): number {
  const sign = bits >= 32_768 ? -1 : 1;
  const exponent = Math.floor(bits / 1024) % 32;
  const fraction = bits % 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
