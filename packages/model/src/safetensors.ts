import { ModelError } from './modelError.ts';

/** A tensor of a checkpoint, widened to float32. */
export type NamedTensor = { shape: number[]; values: Float32Array };

const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const BYTES_OF = { F32: 4, F16: 2, BF16: 2 } as const;
type Dtype = keyof typeof BYTES_OF;

/**
 * Reads a safetensors file: 8 bytes header length (little-endian), JSON header, data.
 * Data sections need not be aligned, so every tensor is copied.
 * @returns tensors by name, F16 and BF16 widened to float32
 * @throws {ModelError} header too large or no JSON, dtype other than F32/F16/BF16, offsets outside the file,
 *   overlapping or not matching the shape, a NaN or infinite weight
 * @see https://github.com/huggingface/safetensors, "Format"
 */
export function readSafetensors(bytes: Uint8Array, fileName = 'model.safetensors'): Map<string, NamedTensor> {
  const fail = (problem: string) => new ModelError(`${fileName}: ${problem}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 8) throw fail(`expected a safetensors file, got ${bytes.byteLength} bytes`);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > bytes.byteLength) {
    throw fail(`the header says it has ${headerBytes} bytes, the file ${bytes.byteLength}`);
  }
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes), fail);
  const dataStart = 8 + headerBytes;
  const tensors = new Map<string, NamedTensor>();
  let end = 0;
  for (const entry of header) {
    const { name, dtype, shape, start, stop } = entry;
    const count = shape.reduce((product, size) => product * size, 1);
    if (start !== end) throw fail(`tensor ${name} starts at ${start}, expected ${end} (a gap or an overlap)`);
    if (stop - start !== count * BYTES_OF[dtype])
      throw fail(`tensor ${name} has ${stop - start} bytes for shape [${shape.join(', ')}]`);
    if (dataStart + stop > bytes.byteLength) throw fail(`tensor ${name} reaches past the end of the file`);
    const values = readValues(view, dataStart + start, count, dtype);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw fail(`tensor ${name} holds ${values[bad]} at ${bad}`);
    tensors.set(name, { shape, values });
    end = stop;
  }
  if (dataStart + end !== bytes.byteLength)
    throw fail(`${bytes.byteLength - dataStart - end} bytes after the last tensor`);
  return tensors;
}

/** Writes float32 tensors as a safetensors file, in the order given. */
export function writeSafetensors(
  tensors: Map<string, NamedTensor>,
  metadata: Record<string, string>,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { shape, values }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + 4 * values.length] };
    offset += 4 * values.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Padded with spaces to a multiple of 8 bytes, as the reference writer does
  const json = new Uint8Array(Math.ceil(text.byteLength / 8) * 8).fill(0x20);
  json.set(text);
  const bytes = new Uint8Array(8 + json.byteLength + offset);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(json.byteLength), true);
  bytes.set(json, 8);
  let at = 8 + json.byteLength;
  for (const { values } of tensors.values()) {
    for (const value of values) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  return bytes;
}

type Entry = { name: string; dtype: Dtype; shape: number[]; start: number; stop: number };

function parseHeader(bytes: Uint8Array, fail: (problem: string) => ModelError): Entry[] {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail(`the header is not JSON (${String(cause)})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw fail('the header is no object');
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header as Record<string, unknown>)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
    if (typeof dtype !== 'string' || !Object.hasOwn(BYTES_OF, dtype)) {
      throw fail(`tensor ${name} has dtype ${String(dtype)}, expected F32, F16 or BF16`);
    }
    if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2)
      throw fail(`tensor ${name} has a malformed entry`);
    entries.push({ name, dtype: dtype as Dtype, shape, start: offsets[0]!, stop: offsets[1]! });
  }
  return entries.toSorted((a, b) => a.start - b.start);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function readValues(view: DataView, start: number, count: number, dtype: Dtype): Float32Array {
  const values = new Float32Array(count);
  switch (dtype) {
    case 'F32':
      for (let i = 0; i < count; i++) values[i] = view.getFloat32(start + 4 * i, true);
      return values;
    case 'F16':
      for (let i = 0; i < count; i++) values[i] = halfToFloat(view.getUint16(start + 2 * i, true));
      return values;
    case 'BF16': {
      // bfloat16 is the upper half of a float32
      const bits = new Uint32Array(values.buffer);
      for (let i = 0; i < count; i++) bits[i] = view.getUint16(start + 2 * i, true) << 16;
      return values;
    }
    default:
      dtype satisfies never;
      return values;
  }
}

/** IEEE 754 binary16: sign, 5 exponent bits (bias 15), 10 fraction bits. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
