import { describe, expect, test } from 'vitest';
import { ModelError } from '../modelError.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';

/** A file with the given header and data bytes, both as they are. */
function file(header: unknown, data: Uint8Array, headerBytes?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, headerBytes ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const f32 = (shape: number[], start: number, stop: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, stop],
});

test('what is written is read back, bit by bit', () => {
  const tensors = new Map([
    ['b', { shape: [2, 2], values: Float32Array.of(1, -0, 3e-39, -3.4e38) }],
    ['a', { shape: [], values: Float32Array.of(0.1) }],
    ['ä', { shape: [0, 3], values: new Float32Array() }],
  ]);
  const bytes = writeSafetensors(tensors, { format: 'pt' });
  expect(readSafetensors(bytes)).toEqual(tensors);
  const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(headerBytes % 8).toBe(0);
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)))).toEqual({
    __metadata__: { format: 'pt' },
    b: f32([2, 2], 0, 16),
    a: f32([], 16, 20),
    ä: f32([0, 3], 20, 20),
  });
});

test('a file is read at any position of a larger buffer, in any order of its header', () => {
  const bytes = file({ second: f32([1], 4, 8), first: f32([1], 0, 4) }, floats(1, 2));
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  expect([...readSafetensors(shifted.subarray(3))].map(([name, { values }]) => [name, ...values])).toEqual([
    ['first', 1],
    ['second', 2],
  ]);
});

describe('files that are refused', () => {
  const good = { x: f32([2], 0, 8) };
  const half = new Uint8Array(Uint16Array.of(0x7c00).buffer);
  test.each<[string, Uint8Array, RegExp]>([
    ['shorter than its own length field', new Uint8Array(7), /expected a safetensors file, got 7 bytes/],
    ['a header longer than the file', file(good, floats(1, 2), 1000n), /the header says it has 1000 bytes/],
    ['a header of 2^64 - 1 bytes', file(good, floats(1, 2), 2n ** 64n - 1n), /the header says/],
    ['a header that is cut short', file(good, floats(1, 2), 5n), /the header: not valid JSON/],
    ['a header that is no UTF-8', file(good, floats(1, 2)).fill(0xff, 8, 12), /the header: not valid JSON/],
    ['a header that is a list', file([], new Uint8Array()), /the header: expected an object/],
    ['a header that is null', file('null', new Uint8Array()), /the header: expected an object/],
    [
      'another dtype',
      file({ x: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, floats(1, 2)),
      /has dtype I64/,
    ],
    [
      'a dtype of the prototype',
      file({ x: { ...good.x, dtype: 'toString' } }, floats(1, 2)),
      /has dtype "toString"/,
    ],
    ['an entry that is null', file({ x: null }, new Uint8Array()), /has dtype missing/],
    ['a negative size', file({ x: f32([-2], 0, 8) }, floats(1, 2)), /malformed/],
    ['a broken size', file({ x: f32([1.5], 0, 6) }, floats(1, 2)), /malformed/],
    ['three offsets', file({ x: { ...good.x, data_offsets: [0, 8, 8] } }, floats(1, 2)), /malformed/],
    [
      'a shape of other size than its bytes',
      file({ x: f32([3], 0, 8) }, floats(1, 2)),
      /has 8 bytes for shape \[3\]/,
    ],
    [
      'a shape whose size overflows',
      file({ x: f32([2 ** 52, 2 ** 52], 0, 8) }, floats(1, 2)),
      /has 8 bytes for shape/,
    ],
    ['offsets backwards', file({ x: f32([2], 8, 0) }, floats(1, 2)), /starts at 8, expected 0/],
    ['nine dimensions', file({ x: f32([1, 1, 1, 1, 1, 1, 1, 1, 1], 0, 4) }, floats(1)), /malformed/],
    ['offsets that are negative', file({ x: f32([2], -8, 0) }, floats(1, 2)), /malformed/],
    ['offsets beyond whole numbers', file({ x: f32([2], 0, 2 ** 60) }, floats(1, 2)), /malformed/],
    [
      'a tensor that stands twice',
      file(
        '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        floats(1),
      ),
      /the key "x" stands twice/,
    ],
    ['a header nested too deep', file(`{"x":${'['.repeat(100_000)}`, floats(1)), /nested deeper than 64/],
    [
      'an overlap',
      file({ x: f32([2], 0, 8), y: f32([1], 4, 8) }, floats(1, 2)),
      /tensor y starts at 4, expected 8/,
    ],
    ['a gap', file({ x: f32([1], 0, 4), y: f32([1], 8, 12) }, floats(1, 2, 3)), /a gap or an overlap/],
    ['data that is cut short', file(good, floats(1)), /tensor x reaches past the end/],
    ['bytes after the last tensor', file(good, floats(1, 2, 3)), /4 bytes after the last tensor/],
    ['a NaN', file(good, floats(1, NaN)), /tensor x holds NaN at 1/],
    ['an infinity', file(good, floats(-Infinity, 1)), /tensor x holds -Infinity at 0/],
    [
      'an infinity in F16',
      file({ x: { dtype: 'F16', shape: [1], data_offsets: [0, 2] } }, half),
      /holds Infinity/,
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, 'weights.safetensors')).toThrow(ModelError);
    expect(() => readSafetensors(bytes, 'weights.safetensors')).toThrow(message);
    expect(() => readSafetensors(bytes, 'weights.safetensors')).toThrow(/^weights\.safetensors: /);
  });
});

describe('a name of a megabyte is not repeated', () => {
  const long = 'x'.repeat(1e6);
  test.each<[string, Uint8Array]>([
    ['a dtype', file({ [long]: { dtype: long, shape: [1], data_offsets: [0, 4] } }, floats(1))],
    ['a gap', file({ [long]: f32([1], 4, 8) }, floats(1, 2))],
    ['a size', file({ [long]: f32([2], 0, 4) }, floats(1))],
    ['an entry that is none', file({ [long]: { dtype: 'F32' } }, new Uint8Array())],
    ['a NaN', file({ [long]: f32([1], 0, 4) }, floats(NaN))],
    ['a key twice', file(`{"${long}": 1, "${long}": 1}`, new Uint8Array())],
  ])('%s', (_, bytes) => {
    expect(() => readSafetensors(bytes)).toThrow(/x{50,100}…/);
    expect(() => readSafetensors(bytes)).not.toThrow(/x{101}/);
  });
});
