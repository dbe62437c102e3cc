import { ModelError } from '../modelError.ts';
import { shortened, shortenedName } from '../shortened.ts';
import { parseStrictJson } from './strictJson.ts';

/** A tensor as it lies in a file. */
export type StoredTensor = {
  name: string;
  /** As in the file; see `isFloatFormat` for those that can be weights. */
  dtype: string;
  shape: number[];
  /** Its numbers, little-endian; a view of the file. */
  bytes: Uint8Array;
  fileName: string;
};

const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const MAX_DIMENSIONS = 8;

/** Bytes of one number; a model may hold tensors that are no weights, such as the int64 `position_ids`. */
const DTYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

/**
 * Reads the layout of a safetensors file: 8 bytes header length (little-endian), JSON header, data. The tensors must
 * cover the data without a gap or an overlap. No number is read.
 * @returns tensors in the order of their data
 * @throws {ModelError} header too large or no strict JSON, an unknown dtype, offsets outside the file, overlapping or not
 *   matching the shape
 * @see https://github.com/huggingface/safetensors, "Format"
 */
export function readLayout(bytes: Uint8Array, fileName: string): StoredTensor[] {
  const fail = (problem: string) => new ModelError(`${fileName}: ${problem}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 8) throw fail(`expected a safetensors file, got ${bytes.byteLength} bytes`);
  const headerBytes = view.getBigUint64(0, true);
  const dataStart = 8 + Number(headerBytes);
  if (headerBytes > BigInt(MAX_HEADER_BYTES) || dataStart > bytes.byteLength) {
    throw fail(`the header says it has ${headerBytes} bytes, the file ${bytes.byteLength}`);
  }
  const entries = parseHeader(bytes.subarray(8, dataStart), fileName);
  let end = 0;
  const tensors = entries.map(({ name, dtype, shape, start, stop }) => {
    if (start !== end)
      throw fail(`tensor ${shortenedName(name)} starts at ${start}, expected ${end} (a gap or an overlap)`);
    // Over 2^53 a product loses digits, but then it is no size of bytes that are there either
    const size = shape.reduce((product, length) => product * length, DTYPE_BYTES[dtype]!);
    if (stop - start !== size)
      throw fail(`tensor ${shortenedName(name)} has ${stop - start} bytes for shape [${shape.join(', ')}]`);
    if (dataStart + stop > bytes.byteLength)
      throw fail(`tensor ${shortenedName(name)} reaches past the end of the file`);
    end = stop;
    return { name, dtype, shape, bytes: bytes.subarray(dataStart + start, dataStart + stop), fileName };
  });
  if (dataStart + end !== bytes.byteLength)
    throw fail(`${bytes.byteLength - dataStart - end} bytes after the last tensor`);
  return tensors;
}

type Entry = { name: string; dtype: string; shape: number[]; start: number; stop: number };

function parseHeader(bytes: Uint8Array, fileName: string): Entry[] {
  const where = `${fileName}: the header`;
  const header = parseStrictJson(bytes, where);
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new ModelError(`${where}: expected an object`);
  }
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header as Record<string, unknown>)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
    if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
      throw new ModelError(
        `${fileName}: tensor ${shortenedName(name)} has dtype ${shortened(JSON.stringify(dtype) ?? 'missing')}, expected F32, F16 or BF16`,
      );
    }
    if (!isSizes(shape) || shape.length > MAX_DIMENSIONS || !isSizes(offsets) || offsets.length !== 2) {
      throw new ModelError(`${fileName}: tensor ${shortenedName(name)} has a malformed entry`);
    }
    entries.push({ name, dtype, shape, start: offsets[0]!, stop: offsets[1]! });
  }
  // Empty tensors begin where the next one does
  return entries.toSorted((a, b) => a.start - b.start || a.stop - b.stop);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
