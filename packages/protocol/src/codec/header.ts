import { ChoraleError } from '../errors.ts';
import type { RunPlan } from '../resolvedRun.ts';
import { bytesToHex, hexToBytes } from '../resolvedRun.ts';

/*
 * One update or adapter is one binary attachment (socket.io's parser allows ten, and noise does not compress). All numbers
 * are little-endian, and so is every platform that runs this.
 *
 *   offset  bytes  what
 *        0      4  magic "CHRU" (update) or "CHRA" (adapter)
 *        4      1  layout version, 2
 *        5      1  encoding of the values: 0 = f32, 1 = f16, 2 = int8; an adapter's is f32, an update's the plan's
 *        6      1  what follows the values: 0 = nothing, 1 = local counts (updates only)
 *        7      1  zero
 *        8      4  round (update) or adapter version (adapter), unsigned
 *       12      4  number of values, unsigned: of an adapter all parameters, of an update those that its round trains
 *                  (`trainedRangeOf`)
 *       16      4  number of scales, unsigned: 0 for f32, else one for each tensor of those values
 *       20      4  zero
 *       24     32  plan hash
 *       56     32  basis hash
 *       88      …  the scales, float32
 *        …      …  the values, tensor by tensor
 *        …     16  local counts: rows the tab's adapter gets right, rows; noised integers as float64
 */
export const HEADER_BYTES = 88;
const LAYOUT_VERSION = 2;
const MAGIC = { update: 0x55524843, adapter: 0x41524843 } as const; // "CHRU", "CHRA" read little-endian
export type Kind = keyof typeof MAGIC;

export type Encoding = RunPlan['config']['transport']['encoding'];
const ENCODING_IDS = { f32: 0, f16: 1, int8: 2 } as const satisfies Record<Encoding, number>;

/** What an update or adapter is bound to. */
export type Binding = Pick<RunPlan, 'basisHash' | 'parameterCount' | 'trainedRanges' | 'tensors'> & {
  planHash: string;
  /** Of updates; the adapter is f32 in every run. */
  encoding: Encoding;
};

/** All of the header that is not known from what the bytes are bound to. */
export type Header = {
  /** The round of an update, the version of an adapter: from 0 to 2^32 − 1. */
  version: number;
  valueCount: number;
  scaleCount: number;
  hasLocalCounts: boolean;
};

/** The encoding in which a run sends its updates or its adapter. */
export function encodingOf(kind: Kind, { encoding }: Pick<Binding, 'encoding'>): Encoding {
  return kind === 'adapter' ? 'f32' : encoding;
}

/** Fills the first `HEADER_BYTES` of bytes that are zero there. */
export function writeHeader(bytes: Uint8Array, kind: Kind, header: Header, binding: Binding): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(0, MAGIC[kind], true);
  view.setUint8(4, LAYOUT_VERSION);
  view.setUint8(5, ENCODING_IDS[encodingOf(kind, binding)]);
  view.setUint8(6, header.hasLocalCounts ? 1 : 0);
  view.setUint32(8, header.version, true);
  view.setUint32(12, header.valueCount, true);
  view.setUint32(16, header.scaleCount, true);
  bytes.set(hexToBytes(binding.planHash), 24);
  bytes.set(hexToBytes(binding.basisHash), 56);
}

/**
 * Reads a header and checks what the bytes are and what they are bound to; how many they are is not looked at.
 * @throws {ChoraleError} UPDATE_MALFORMED
 */
export function readHeader(bytes: Uint8Array, kind: Kind, binding: Binding): Header {
  if (bytes.byteLength < HEADER_BYTES)
    throw malformed(`at least ${HEADER_BYTES} bytes, got ${bytes.byteLength}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC[kind]) throw malformed(`an encoded ${kind}`);
  const layout = view.getUint8(4);
  if (layout !== LAYOUT_VERSION) throw malformed(`layout ${LAYOUT_VERSION}, got ${layout}`);
  const encoding = encodingOf(kind, binding);
  const id = view.getUint8(5);
  if (id !== ENCODING_IDS[encoding])
    throw malformed(`encoding ${ENCODING_IDS[encoding]} (${encoding}), got ${id}`);
  const trailer = view.getUint8(6);
  if (trailer > (kind === 'update' ? 1 : 0)) throw malformed(`nothing behind the values of an ${kind}`);
  if (view.getUint8(7) !== 0 || view.getUint32(20, true) !== 0)
    throw malformed('zero bytes at offsets 7 and 20 to 23');
  if (bytesToHex(bytes.subarray(24, 56)) !== binding.planHash)
    throw malformed(`an ${kind} of this run's plan`);
  if (bytesToHex(bytes.subarray(56, 88)) !== binding.basisHash)
    throw malformed(`an ${kind} for this run's A`);
  return {
    version: view.getUint32(8, true),
    valueCount: view.getUint32(12, true),
    scaleCount: view.getUint32(16, true),
    hasLocalCounts: trailer === 1,
  };
}

/** @param expected what was expected, and what came instead where that helps */
export function malformed(expected: string): ChoraleError {
  return new ChoraleError(
    'UPDATE_MALFORMED',
    `expected ${expected}; reload the page to get the current program`,
  );
}
