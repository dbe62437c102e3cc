import type { LocalCounts, Privatized, RandomSource } from '@chorale/privacy';
import { webCryptoRandom } from '@chorale/privacy';
import { f16 } from './codec/f16.ts';
import type { Binding, Encoding, Header, Kind } from './codec/header.ts';
import { HEADER_BYTES, encodingOf, readHeader, writeHeader } from './codec/header.ts';
import { int8 } from './codec/int8.ts';
import type { ScaledEncoding } from './codec/scaledEncoding.ts';
import { decodeTensors, encodeTensors } from './codec/scaledEncoding.ts';
import { StochasticRounding } from './codec/stochasticRounding.ts';
import { ChoraleError } from './errors.ts';
import type { ResolvedRun, RunPlan, TrainedRange } from './resolvedRun.ts';
import { trainedRangeOf } from './resolvedRun.ts';

export type { Binding } from './codec/header.ts';

const LOCAL_COUNTS_BYTES = 16;
/** null: four bytes a value, as they are, and no scales. */
const SCALED = { f32: null, f16, int8 } as const satisfies Record<Encoding, ScaledEncoding | null>;

/**
 * Larger values no honest update has; a few of them would drive the adapter out of float32 and end the run for everybody.
 */
const LARGEST_UPDATE_VALUE = 1e6;
const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** The largest magnitude of a value that an update of this encoding may have. */
export function largestUpdateValue(encoding: Encoding): number {
  return SCALED[encoding]?.largestValue ?? LARGEST_UPDATE_VALUE;
}

/** What the updates and adapters of a run are bound to. */
export function bindingOf({ plan, planHash }: Pick<ResolvedRun, 'plan' | 'planHash'>): Binding {
  const { basisHash, parameterCount, tensors, trainedRanges, config } = plan;
  return { planHash, basisHash, parameterCount, tensors, trainedRanges, encoding: config.transport.encoding };
}

type SizedPlan = Pick<RunPlan, 'config' | 'tensors' | 'trainedRanges'>;

/** Size of an update of one round as a run of this plan sends it, in bytes; the same for everybody and whatever is in it. */
export function updateBytes({ config, tensors, trainedRanges }: SizedPlan, round: number): number {
  const { encoding } = config.transport;
  const { start, end } = trainedRangeOf({ trainedRanges }, round);
  const counts = tensorCounts(encoding, tensors, { start, end });
  return bytesOf(encoding, end - start, counts.length, config.localMetrics !== undefined);
}

/** Size of the largest update a run of this plan sends, in bytes. */
export function largestUpdateBytes(plan: SizedPlan): number {
  return Math.max(...plan.trainedRanges.map((_, i) => updateBytes(plan, i + 1)));
}

/**
 * Encodes what may leave a tab. The type admits only values that went through `packages/privacy`; that f16 and int8 round
 * them at random is post-processing of it and costs no privacy.
 * @param update change over the round of the parameters it trains, shape [end - start] of `trainedRangeOf`
 * @param round  the round it answers, from 1
 * @param localCounts for runs with `localMetrics`, else null
 * @param random what rounds; a tab's is the default, only simulations pass another one, to be repeatable
 * @throws {ChoraleError} UPDATE_SIZE; UPDATE_NOT_FINITE: a value is not from -1e6 to 1e6, which no server takes (f16 and
 *   int8 end a step before)
 */
export function encodeUpdate(
  update: Privatized<Float32Array>,
  round: number,
  binding: Binding,
  localCounts: Privatized<LocalCounts> | null = null,
  random: RandomSource = webCryptoRandom,
): Uint8Array {
  const range = trainedRangeOf(binding, round);
  requireCount(update.values, range.end - range.start);
  requireWithin(update.values, largestUpdateValue(binding.encoding));
  const bytes = encode('update', update.values, round, binding, {
    counts: tensorCounts(binding.encoding, binding.tensors, range),
    hasLocalCounts: localCounts !== null,
    random,
  });
  if (localCounts !== null) {
    const { correct, rows } = localCounts.values;
    const view = new DataView(bytes.buffer, bytes.length - LOCAL_COUNTS_BYTES);
    view.setFloat64(0, correct, true);
    view.setFloat64(8, rows, true);
  }
  return bytes;
}

/** A decoded update; the values are a copy, those of `trainedRangeOf` its round. */
export type DecodedUpdate = { round: number; values: Float32Array; localCounts: LocalCounts | null };

/**
 * Reads an update and checks all that can be checked without the round's state.
 * @throws {ChoraleError} UPDATE_MALFORMED (not an update, another plan, basis or encoding, no scale or code of that
 *   encoding), UPDATE_SIZE (values, scales or bytes), UPDATE_NOT_FINITE (also for values beyond ±1e6)
 */
export function decodeUpdate(bytes: Uint8Array, binding: Binding): DecodedUpdate {
  const header = readHeader(bytes, 'update', binding);
  const range = trainedRangeOf(binding, header.version);
  const counts = tensorCounts(binding.encoding, binding.tensors, range);
  const values = decode('update', bytes, header, binding, { valueCount: range.end - range.start, counts });
  requireWithin(values, LARGEST_UPDATE_VALUE);
  return {
    round: header.version,
    values,
    localCounts: header.hasLocalCounts ? readLocalCounts(bytes.subarray(-LOCAL_COUNTS_BYTES)) : null,
  };
}

/**
 * Reads which round of a run an update is bound to, whatever values follow.
 * @throws {ChoraleError} UPDATE_MALFORMED: not an update, or of another plan or basis
 */
export function boundRound(bytes: Uint8Array, binding: Binding): number {
  return readHeader(bytes, 'update', binding).version;
}

/** Encodes the global adapter for the way down, in f32 in every run. */
export function encodeAdapter(
  parameters: Float32Array,
  adapterVersion: number,
  binding: Binding,
): Uint8Array {
  requireCount(parameters, binding.parameterCount);
  return encode('adapter', parameters, adapterVersion, binding, {
    counts: [],
    hasLocalCounts: false,
    random: webCryptoRandom,
  });
}

/** Reads the global adapter; errors as `decodeUpdate`, but its values may be any that are finite. */
export function decodeAdapter(
  bytes: Uint8Array,
  binding: Binding,
): { adapterVersion: number; parameters: Float32Array } {
  const header = readHeader(bytes, 'adapter', binding);
  const valueCount = binding.parameterCount;
  const parameters = decode('adapter', bytes, header, binding, { valueCount, counts: [] });
  requireWithin(parameters, LARGEST_FLOAT32);
  return { adapterVersion: header.version, parameters };
}

/**
 * How many values each tensor of a range has that gets a scale; none in f32.
 * @throws {RangeError} the range does not start and end with a tensor: no plan has such a one
 */
function tensorCounts(
  encoding: Encoding,
  tensors: RunPlan['tensors'],
  { start, end }: TrainedRange,
): number[] {
  if (SCALED[encoding] === null) return [];
  const counts: number[] = [];
  let offset = 0;
  let covered = 0;
  for (const { count } of tensors) {
    if (offset >= start && offset + count <= end) {
      counts.push(count);
      covered += count;
    }
    offset += count;
  }
  if (covered === end - start) return counts;
  throw new RangeError(`expected a range of whole tensors, got ${start} to ${end}`);
}

function bytesOf(
  encoding: Encoding,
  valueCount: number,
  scaleCount: number,
  hasLocalCounts: boolean,
): number {
  const perValue = SCALED[encoding]?.bytesPerValue ?? 4;
  return HEADER_BYTES + 4 * scaleCount + perValue * valueCount + (hasLocalCounts ? LOCAL_COUNTS_BYTES : 0);
}

function encode(
  kind: Kind,
  values: Float32Array,
  version: number,
  binding: Binding,
  {
    counts,
    hasLocalCounts,
    random,
  }: { counts: readonly number[]; hasLocalCounts: boolean; random: RandomSource },
): Uint8Array {
  const encoding = encodingOf(kind, binding);
  const scaled = SCALED[encoding];
  const bytes = new Uint8Array(bytesOf(encoding, values.length, counts.length, hasLocalCounts));
  const header = { version, valueCount: values.length, scaleCount: counts.length, hasLocalCounts };
  writeHeader(bytes, kind, header, binding);
  const codesStart = HEADER_BYTES + 4 * counts.length;
  if (scaled === null) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), codesStart);
  } else {
    encodeTensors(scaled, values, counts, {
      scales: new DataView(bytes.buffer, HEADER_BYTES, 4 * counts.length),
      codes: bytes.subarray(codesStart, codesStart + scaled.bytesPerValue * values.length),
      rounding: new StochasticRounding(random, values.length),
    });
  }
  return bytes;
}

/** @throws {ChoraleError} UPDATE_SIZE, UPDATE_MALFORMED, UPDATE_NOT_FINITE; the values themselves are not looked at */
function decode(
  kind: Kind,
  bytes: Uint8Array,
  header: Header,
  binding: Binding,
  { valueCount, counts }: { valueCount: number; counts: readonly number[] },
): Float32Array {
  const encoding = encodingOf(kind, binding);
  const scaled = SCALED[encoding];
  const expectedBytes = bytesOf(encoding, valueCount, counts.length, header.hasLocalCounts);
  if (
    header.valueCount !== valueCount ||
    header.scaleCount !== counts.length ||
    bytes.byteLength !== expectedBytes
  ) {
    throw new ChoraleError(
      'UPDATE_SIZE',
      `expected ${valueCount} values and ${counts.length} scales in ${expectedBytes} bytes, ` +
        `got ${header.valueCount} and ${header.scaleCount} in ${bytes.byteLength}`,
    );
  }
  const start = HEADER_BYTES + 4 * counts.length;
  // A copy: it is aligned, and what arrived can go
  const codes = new Uint8Array((scaled?.bytesPerValue ?? 4) * valueCount);
  codes.set(bytes.subarray(start, start + codes.length));
  if (scaled === null) return new Float32Array(codes.buffer);
  const values = new Float32Array(valueCount);
  const scales = new DataView(bytes.buffer, bytes.byteOffset + HEADER_BYTES, 4 * counts.length);
  decodeTensors(scaled, { scales, codes, counts }, values, LARGEST_UPDATE_VALUE);
  return values;
}

/** @throws {ChoraleError} UPDATE_SIZE */
function requireCount({ length }: Float32Array, expected: number): void {
  if (length === expected) return;
  throw new ChoraleError('UPDATE_SIZE', `expected ${expected} values to encode, got ${length}`);
}

/**
 * On the server's hot path. Without their sign the bits of float32 are in the order of their magnitudes, infinity and NaN
 * above all others, and integers are compared twice as fast.
 * @throws {ChoraleError} UPDATE_NOT_FINITE: a value is NaN or its magnitude over the largest
 */
function requireWithin(values: Float32Array, largest: number): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let highest = 0;
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i]! & 0x7fffffff;
    if (magnitude > highest) highest = magnitude;
  }
  if (highest <= bitsOf(largest)) return;
  const at = values.findIndex((value) => !(Math.abs(value) <= largest));
  const expected = largest === LARGEST_FLOAT32 ? 'finite values' : `values from -${largest} to ${largest}`;
  throw new ChoraleError('UPDATE_NOT_FINITE', `expected ${expected}, got ${values[at]} at ${at}`);
}

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}

/** @throws {ChoraleError} UPDATE_NOT_FINITE */
function readLocalCounts(bytes: Uint8Array): LocalCounts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, LOCAL_COUNTS_BYTES);
  const counts = { correct: view.getFloat64(0, true), rows: view.getFloat64(8, true) };
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isSafeInteger(value)) {
      throw new ChoraleError('UPDATE_NOT_FINITE', `expected a whole number of ${name} rows, got ${value}`);
    }
  }
  return counts;
}
