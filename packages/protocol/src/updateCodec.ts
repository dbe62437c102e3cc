import type { LocalCounts, Privatized } from '@chorale/privacy';
import { ChoraleError } from './errors.ts';
import type { ResolvedRun, RunPlan } from './resolvedRun.ts';
import { bytesToHex, hexToBytes, trainedRangeOf } from './resolvedRun.ts';

/*
 * One update is one binary attachment (socket.io's parser allows ten, and noise does not compress):
 *
 *   offset  bytes  what
 *        0      4  magic "CHRU" (update) or "CHRA" (adapter)
 *        4      1  layout version, 1
 *        5      1  encoding: 0 = float32
 *        6      1  what follows the values: 0 = nothing, 1 = local counts (updates only)
 *        7      1  zero
 *        8      4  round (update) or adapter version (adapter), little-endian unsigned
 *       12      4  number of values, little-endian unsigned: of an adapter all parameters, of an update those that its
 *                  round trains (`trainedRangeOf`)
 *       16     32  plan hash
 *       48     32  basis hash
 *       80      …  the values, little-endian
 *        …     16  local counts: rows the tab's adapter gets right, rows; noised integers as float64, little-endian
 */
const HEADER_BYTES = 80;
const LAYOUT_VERSION = 1;
const ENCODING_F32 = 0;
const LOCAL_COUNTS = 1;
const LOCAL_COUNTS_BYTES = 16;
const MAGIC = { update: 0x55524843, adapter: 0x41524843 } as const; // "CHRU", "CHRA" read little-endian
type Kind = keyof typeof MAGIC;

/**
 * Larger values no honest update has; a few of them would drive the adapter out of float32 and end the run for everybody.
 */
const LARGEST_UPDATE_VALUE = 1e6;

/** What an update or adapter is bound to. */
export type Binding = Pick<RunPlan, 'basisHash' | 'parameterCount' | 'trainedRanges'> & { planHash: string };

/** What the updates and adapters of a run are bound to. */
export function bindingOf({ plan, planHash }: Pick<ResolvedRun, 'plan' | 'planHash'>): Binding {
  const { basisHash, parameterCount, trainedRanges } = plan;
  return { planHash, basisHash, parameterCount, trainedRanges };
}

/** Size of an encoded update or adapter of so many values, header included, without local counts. */
export function encodedBytes(valueCount: number): number {
  return HEADER_BYTES + 4 * valueCount;
}

/** Size of an update of one round as a run of this plan sends it. */
export function updateBytes(plan: Pick<RunPlan, 'config' | 'trainedRanges'>, round: number): number {
  const { start, end } = trainedRangeOf(plan, round);
  return encodedBytes(end - start) + (plan.config.localMetrics === undefined ? 0 : LOCAL_COUNTS_BYTES);
}

/** Size of the largest update a run of this plan sends. */
export function largestUpdateBytes(plan: Pick<RunPlan, 'config' | 'trainedRanges'>): number {
  return Math.max(...plan.trainedRanges.map((_, i) => updateBytes(plan, i + 1)));
}

/**
 * Encodes what may leave a tab. The type admits only values that went through `packages/privacy`.
 * @param update change over the round of the parameters it trains, shape [end - start] of `trainedRangeOf`
 * @param round  the round it answers, from 1
 * @param localCounts for runs with `localMetrics`, else null
 */
export function encodeUpdate(
  update: Privatized<Float32Array>,
  round: number,
  binding: Binding,
  localCounts: Privatized<LocalCounts> | null = null,
): Uint8Array {
  const { start, end } = trainedRangeOf(binding, round);
  const bytes = encode('update', update.values, round, binding, end - start);
  if (localCounts === null) return bytes;
  const whole = new Uint8Array(bytes.length + LOCAL_COUNTS_BYTES);
  whole.set(bytes);
  const view = new DataView(whole.buffer);
  view.setUint8(6, LOCAL_COUNTS);
  view.setFloat64(bytes.length, localCounts.values.correct, true);
  view.setFloat64(bytes.length + 8, localCounts.values.rows, true);
  return whole;
}

/** A decoded update; the values are a copy, aligned, those of `trainedRangeOf` its round. */
export type DecodedUpdate = { round: number; values: Float32Array; localCounts: LocalCounts | null };

/**
 * Reads an update and checks all that can be checked without the round's state.
 * @throws {ChoraleError} UPDATE_MALFORMED (not an update, another plan or basis), UPDATE_SIZE, UPDATE_NOT_FINITE (also for
 *   values beyond ±1e6)
 */
export function decodeUpdate(bytes: Uint8Array, binding: Binding): DecodedUpdate {
  const { version, values, localCounts } = decode('update', bytes, binding);
  return { round: version, values, localCounts };
}

/**
 * Reads which round of a run an update is bound to, whatever values follow.
 * @throws {ChoraleError} UPDATE_MALFORMED: not an update, or of another plan or basis
 */
export function boundRound(bytes: Uint8Array, binding: Binding): number {
  return readHeader('update', bytes, binding).version;
}

/** Encodes the global adapter for the way down. */
export function encodeAdapter(
  parameters: Float32Array,
  adapterVersion: number,
  binding: Binding,
): Uint8Array {
  return encode('adapter', parameters, adapterVersion, binding, binding.parameterCount);
}

/** Reads the global adapter; errors as `decodeUpdate`. */
export function decodeAdapter(
  bytes: Uint8Array,
  binding: Binding,
): { adapterVersion: number; parameters: Float32Array } {
  const { version, values } = decode('adapter', bytes, binding);
  return { adapterVersion: version, parameters: values };
}

function encode(
  kind: Kind,
  values: Float32Array,
  version: number,
  binding: Binding,
  expected: number,
): Uint8Array {
  if (values.length !== expected) {
    throw new ChoraleError('UPDATE_SIZE', `expected ${expected} values to encode, got ${values.length}`);
  }
  const bytes = new Uint8Array(encodedBytes(values.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC[kind], true);
  view.setUint8(4, LAYOUT_VERSION);
  view.setUint8(5, ENCODING_F32);
  view.setUint32(8, version, true);
  view.setUint32(12, values.length, true);
  bytes.set(hexToBytes(binding.planHash), 16);
  bytes.set(hexToBytes(binding.basisHash), 48);
  for (let i = 0; i < values.length; i++) view.setFloat32(HEADER_BYTES + 4 * i, values[i]!, true);
  return bytes;
}

type Header = { view: DataView; version: number; trailer: number };

/** @throws {ChoraleError} UPDATE_MALFORMED */
function readHeader(kind: Kind, bytes: Uint8Array, binding: Binding): Header {
  const malformed = (expected: string) =>
    new ChoraleError('UPDATE_MALFORMED', `expected ${expected}; reload the page to get the current program`);
  if (bytes.byteLength < HEADER_BYTES)
    throw malformed(`at least ${HEADER_BYTES} bytes, got ${bytes.byteLength}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC[kind]) throw malformed(`an encoded ${kind}`);
  if (view.getUint8(4) !== LAYOUT_VERSION)
    throw malformed(`layout ${LAYOUT_VERSION}, got ${view.getUint8(4)}`);
  if (view.getUint8(5) !== ENCODING_F32) throw malformed(`encoding ${ENCODING_F32}, got ${view.getUint8(5)}`);
  const trailer = view.getUint8(6);
  if (trailer > (kind === 'update' ? LOCAL_COUNTS : 0))
    throw malformed(`nothing behind the values of an ${kind}`);
  if (view.getUint8(7) !== 0) throw malformed('a zero byte at offset 7');
  if (bytesToHex(bytes.subarray(16, 48)) !== binding.planHash)
    throw malformed(`an ${kind} of this run's plan`);
  if (bytesToHex(bytes.subarray(48, 80)) !== binding.basisHash)
    throw malformed(`an ${kind} for this run's A`);
  return { view, version: view.getUint32(8, true), trailer };
}

function decode(
  kind: Kind,
  bytes: Uint8Array,
  binding: Binding,
): { version: number; values: Float32Array; localCounts: LocalCounts | null } {
  const { view, version, trailer } = readHeader(kind, bytes, binding);
  const count = view.getUint32(12, true);
  const expected = expectedValues(kind, version, binding);
  const expectedBytes = encodedBytes(expected) + (trailer === LOCAL_COUNTS ? LOCAL_COUNTS_BYTES : 0);
  if (count !== expected || bytes.byteLength !== expectedBytes) {
    throw new ChoraleError(
      'UPDATE_SIZE',
      `expected ${expected} values in ${expectedBytes} bytes, got ${count} in ${bytes.byteLength}`,
    );
  }
  const values = new Float32Array(count);
  const largest = kind === 'update' ? LARGEST_UPDATE_VALUE : Number.MAX_VALUE;
  for (let i = 0; i < count; i++) {
    const value = view.getFloat32(HEADER_BYTES + 4 * i, true);
    if (!(Math.abs(value) <= largest)) {
      const expected = kind === 'update' ? `values from -${largest} to ${largest}` : 'finite values';
      throw new ChoraleError('UPDATE_NOT_FINITE', `expected ${expected}, got ${value} at ${i}`);
    }
    values[i] = value;
  }
  const localCounts = trailer === LOCAL_COUNTS ? readLocalCounts(view, encodedBytes(count)) : null;
  return { version, values, localCounts };
}

function expectedValues(kind: Kind, version: number, binding: Binding): number {
  if (kind === 'adapter') return binding.parameterCount;
  const { start, end } = trainedRangeOf(binding, version);
  return end - start;
}

function readLocalCounts(view: DataView, offset: number): LocalCounts {
  const counts = { correct: view.getFloat64(offset, true), rows: view.getFloat64(offset + 8, true) };
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isSafeInteger(value)) {
      throw new ChoraleError('UPDATE_NOT_FINITE', `expected a whole number of ${name} rows, got ${value}`);
    }
  }
  return counts;
}
