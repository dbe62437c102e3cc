import { noisyLocalCounts } from '@chorale/privacy';
import type { LocalCounts, PrivacyPlan, Privatized } from '@chorale/privacy';
import { examplePlan } from '@chorale/privacy/testing/plans';
import { scriptedNoise } from '@chorale/privacy/testing/scriptedNoise';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { HEADER_BYTES, bindingOfTensors, codeOf, privatized } from './codec/codec.fixture.ts';
import type { ErrorCode } from './errors.ts';
import type { ResolvedRun, RunPlan } from './resolvedRun.ts';
import {
  bindingOf,
  boundRound,
  decodeAdapter,
  decodeUpdate,
  encodeAdapter,
  encodeUpdate,
  largestUpdateBytes,
  updateBytes,
} from './updateCodec.ts';
import type { Binding } from './updateCodec.ts';

const binding = bindingOfTensors('f32', 4);
const bytesOf = (valueCount: number) => HEADER_BYTES + 4 * valueCount;

const values = Float32Array.of(1.5, -0, -1e6, 1e-45);

function encoded(): Uint8Array {
  return encodeUpdate(privatized(values), 7, binding);
}

test('an update comes back as it was', () => {
  const bytes = encoded();
  expect(bytes).toHaveLength(bytesOf(4));
  const decoded = decodeUpdate(bytes, binding);
  expect(decoded.round).toBe(7);
  expect(decoded.values).toEqual(privatized(values).values);
  expect(decoded.values[0]).toBe(1.5);
  expect(decoded.values[3]).toBe(Math.fround(1e-45)); // the smallest number there is
});

test('an adapter comes back as it was, bit by bit', () => {
  const decoded = decodeAdapter(encodeAdapter(values, 0, binding), binding);
  expect(decoded.adapterVersion).toBe(0);
  expect(new Uint8Array(decoded.parameters.buffer)).toEqual(new Uint8Array(values.buffer));
});

test('the layout is fixed', () => {
  const bytes = encoded();
  expect([...bytes.subarray(0, 16)]).toEqual([0x43, 0x48, 0x52, 0x55, 2, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0]);
  expect([...bytes.subarray(16, 24)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect([...encodeAdapter(values, 258, binding).subarray(0, 12)]).toEqual([
    0x43, 0x48, 0x52, 0x41, 2, 0, 0, 0, 2, 1, 0, 0,
  ]);
  expect(new Set(bytes.subarray(24, 56))).toEqual(new Set([0x0a]));
  expect(new Set(bytes.subarray(56, 88))).toEqual(new Set([0xf0]));
  expect([...bytes.subarray(88, 92)]).toEqual([0, 0, 0xc0, 0x3f]); // 1.5, little-endian
});

test('property: any finite values, any offset into a larger buffer, and the values are a copy', () => {
  fc.assert(
    fc.property(
      fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 50 }),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.integer({ min: 0, max: 9 }),
      (parameters, version, offset) => {
        const own = bindingOfTensors('f32', parameters.length);
        const bytes = encodeAdapter(parameters, version, own);
        const holder = new Uint8Array(bytes.length + 20).fill(0xff);
        holder.set(bytes, offset);
        const decoded = decodeAdapter(holder.subarray(offset, offset + bytes.length), own);
        holder.fill(0);
        expect(decoded.adapterVersion).toBe(version);
        expect(decoded.parameters).toEqual(parameters);
        expect(decoded.parameters.byteOffset % 4).toBe(0);
      },
    ),
  );
});

describe('rounds that take turns', () => {
  const inTurns: Binding = {
    ...bindingOfTensors('f32', 7),
    trainedRanges: [
      { start: 0, end: 4 },
      { start: 2, end: 7 },
    ],
  };
  const five = privatized(Float32Array.of(1, 2, 3, 4, 5));

  test('an update holds what its round trains, and an adapter everything', () => {
    for (const round of [1, 3, 99]) {
      const bytes = encodeUpdate(privatized(values), round, inTurns);
      expect(bytes).toHaveLength(bytesOf(4));
      expect(decodeUpdate(bytes, inTurns).values).toHaveLength(4);
    }
    for (const round of [2, 100]) {
      const bytes = encodeUpdate(five, round, inTurns);
      expect(bytes).toHaveLength(bytesOf(5));
      expect(decodeUpdate(bytes, inTurns).values).toEqual(Float32Array.of(1, 2, 3, 4, 5));
    }
    expect(encodeAdapter(new Float32Array(7), 2, inTurns)).toHaveLength(bytesOf(7));
  });

  test('the size of another round is refused, on the way out and in', () => {
    expect(codeOf(() => encodeUpdate(five, 1, inTurns))).toBe('UPDATE_SIZE');
    const bytes = encodeUpdate(five, 2, inTurns);
    new DataView(bytes.buffer).setUint32(8, 3, true);
    expect(codeOf(() => decodeUpdate(bytes, inTurns))).toBe('UPDATE_SIZE');
    new DataView(bytes.buffer).setUint32(8, 0, true); // there is no round 0
    expect(codeOf(() => decodeUpdate(bytes, inTurns))).toBe('UPDATE_SIZE');
  });

  test('the sizes a run announces are those it sends', () => {
    const { trainedRanges } = inTurns;
    const { tensors } = inTurns;
    const transport = { encoding: 'f32' };
    const plan = { trainedRanges, tensors, config: { transport } as RunPlan['config'] };
    expect(updateBytes(plan, 1)).toBe(encodeUpdate(privatized(values), 1, inTurns).length);
    expect(updateBytes(plan, 2)).toBe(encodeUpdate(five, 2, inTurns).length);
    expect(largestUpdateBytes(plan)).toBe(bytesOf(5));
    const config = { transport, localMetrics: { noiseMultiplier: 1 } } as RunPlan['config'];
    expect(updateBytes({ ...plan, config }, 1)).toBe(bytesOf(4) + 16);
  });
});

describe('local counts', () => {
  const counts: PrivacyPlan = { ...examplePlan, localMetricsNoiseMultiplier: 1 };
  const noisy = (change: number): Privatized<LocalCounts> =>
    noisyLocalCounts(
      counts,
      { correct: 30, rows: 41 },
      scriptedNoise((both) => both.forEach((_, i) => (both[i]! += change))),
    );
  const withCounts = (change = -50) => encodeUpdate(privatized(values), 7, binding, noisy(change));

  test('ride behind the values, negative ones too; without them the bytes are as before', () => {
    const bytes = withCounts();
    expect(bytes).toHaveLength(bytesOf(4) + 16);
    const { localCounts, round, values: decoded } = decodeUpdate(bytes, binding);
    expect(localCounts).toEqual({ correct: -20, rows: -9 });
    expect([round, decoded]).toEqual([7, privatized(values).values]);
    expect(decodeUpdate(encoded(), binding).localCounts).toBeNull();
    expect(bytes.subarray(8, 104)).toEqual(encoded().subarray(8, 104));
  });

  test('a size that does not fit what the header announces', () => {
    const without = encoded();
    without[6] = 1;
    expect(codeOf(() => decodeUpdate(without, binding))).toBe('UPDATE_SIZE');
    const unannounced = withCounts();
    unannounced[6] = 0;
    expect(codeOf(() => decodeUpdate(unannounced, binding))).toBe('UPDATE_SIZE');
    for (const unknown of [2, 255]) {
      const other = withCounts();
      other[6] = unknown;
      expect(codeOf(() => decodeUpdate(other, binding))).toBe('UPDATE_MALFORMED');
    }
    const adapter = encodeAdapter(values, 7, binding);
    adapter[6] = 1;
    expect(codeOf(() => decodeAdapter(adapter, binding))).toBe('UPDATE_MALFORMED');
  });

  test.each([NaN, Infinity, 1.5, 2 ** 60])('%s is no count', (value) => {
    for (const offset of [104, 112]) {
      const bytes = withCounts();
      new DataView(bytes.buffer).setFloat64(offset, value, true);
      expect(codeOf(() => decodeUpdate(bytes, binding))).toBe('UPDATE_NOT_FINITE');
    }
  });

  test('only noised ones can be encoded', () => {
    type Counts = NonNullable<Parameters<typeof encodeUpdate>[3]>;
    expectTypeOf<LocalCounts>().not.toExtend<Counts>();
    expectTypeOf<{ values: LocalCounts }>().not.toExtend<Counts>();
  });
});

describe('refusals', () => {
  test('every byte of the header that is changed is noticed, with the right code', () => {
    const fields: [name: string, from: number, to: number, code: ErrorCode][] = [
      ['magic', 0, 4, 'UPDATE_MALFORMED'],
      ['layout version', 4, 5, 'UPDATE_MALFORMED'],
      ['encoding', 5, 6, 'UPDATE_MALFORMED'],
      ['zero', 7, 8, 'UPDATE_MALFORMED'],
      ['count', 12, 16, 'UPDATE_SIZE'],
      ['scale count', 16, 20, 'UPDATE_SIZE'],
      ['zeros', 20, 24, 'UPDATE_MALFORMED'],
      ['plan hash', 24, 56, 'UPDATE_MALFORMED'],
      ['basis hash', 56, 88, 'UPDATE_MALFORMED'],
    ];
    for (const [name, from, to, code] of fields) {
      for (let at = from; at < to; at++) {
        for (const flip of [0x01, 0x80, 0xff]) {
          const bytes = encoded();
          bytes[at]! ^= flip;
          expect([name, at, codeOf(() => decodeUpdate(bytes, binding))]).toEqual([name, at, code]);
        }
      }
    }
  });

  test('the round is handed to the caller, who knows which one is open', () => {
    for (let at = 8; at < 12; at++) {
      const bytes = encoded();
      bytes[at]! ^= 0x80;
      expect(decodeUpdate(bytes, binding).round).toBe((7 ^ (0x80 << (8 * (at - 8)))) >>> 0);
    }
  });

  test('an adapter is no update and an update no adapter', () => {
    expect(codeOf(() => decodeUpdate(encodeAdapter(values, 7, binding), binding))).toBe('UPDATE_MALFORMED');
    expect(codeOf(() => decodeAdapter(encoded(), binding))).toBe('UPDATE_MALFORMED');
  });

  test('lengths: nothing, part of a header, one byte less, one byte or value more', () => {
    const bytes = encoded();
    expect(codeOf(() => decodeUpdate(new Uint8Array(), binding))).toBe('UPDATE_MALFORMED');
    expect(codeOf(() => decodeUpdate(bytes.subarray(0, 87), binding))).toBe('UPDATE_MALFORMED');
    expect(codeOf(() => decodeUpdate(bytes.subarray(0, 88), binding))).toBe('UPDATE_SIZE');
    expect(codeOf(() => decodeUpdate(bytes.subarray(0, -1), binding))).toBe('UPDATE_SIZE');
    for (const extra of [1, 4]) {
      const longer = new Uint8Array(bytes.length + extra);
      longer.set(bytes);
      expect(codeOf(() => decodeUpdate(longer, binding))).toBe('UPDATE_SIZE');
    }
  });

  test('another number of parameters', () => {
    expect(codeOf(() => decodeUpdate(encoded(), bindingOfTensors('f32', 5)))).toBe('UPDATE_SIZE');
    expect(codeOf(() => encodeAdapter(values, 0, bindingOfTensors('f32', 5)))).toBe('UPDATE_SIZE');
    expect(codeOf(() => encodeUpdate(privatized(values), 1, bindingOfTensors('f32', 3)))).toBe('UPDATE_SIZE');
  });

  test.each([
    ['NaN', 0x7fc00000],
    ['signalling NaN', 0x7f800001],
    ['negative NaN', 0xffc00000],
    ['Infinity', 0x7f800000],
    ['-Infinity', 0xff800000],
  ])('%s at any place', (_, bits) => {
    for (let i = 0; i < 4; i++) {
      const bytes = encoded();
      new DataView(bytes.buffer).setUint32(88 + 4 * i, bits, true);
      expect(codeOf(() => decodeUpdate(bytes, binding))).toBe('UPDATE_NOT_FINITE');
    }
  });
});

describe.each(['f16', 'int8'] as const)('in a run of %s', (encoding) => {
  const perValue = encoding === 'f16' ? 2 : 1;
  // Of 3, 1, 2 and 4 values; the third one is trained in every round
  const inTurns: Binding = {
    ...bindingOfTensors(encoding, 3, 1, 2, 4),
    trainedRanges: [
      { start: 0, end: 6 },
      { start: 4, end: 10 },
    ],
  };
  const six = privatized(Float32Array.of(1, 2, 3, 4, 5, 6));

  test('a round has the scales of its own tensors', () => {
    const scalesOf = (round: number) => {
      const bytes = encodeUpdate(six, round, inTurns);
      const view = new DataView(bytes.buffer);
      const count = view.getUint32(16, true);
      expect(bytes).toHaveLength(88 + 4 * count + 6 * perValue);
      const { values: decoded } = decodeUpdate(bytes, inTurns);
      for (const [i, value] of decoded.entries()) expect(Math.abs(value - (i + 1))).toBeLessThan(0.05);
      return Array.from({ length: count }, (_, i) => view.getFloat32(88 + 4 * i, true));
    };
    // The largest values: 3, 4 and 6 in the first round, 2 and 6 in the second
    const power = (largest: number) => 2 ** (Math.floor(Math.log2(largest)) - 14);
    const odd = scalesOf(1);
    const even = scalesOf(2);
    expect([odd.length, even.length]).toEqual([3, 2]);
    for (const [i, largest] of [3, 4, 6, 2, 6].entries()) {
      const scale = [...odd, ...even][i]!;
      // A 127th is rounded up to 17 bits
      const [least, excess] = encoding === 'f16' ? [power(largest), 0] : [largest / 127, 2 ** -16];
      expect(scale).toBeGreaterThanOrEqual(least);
      expect(scale).toBeLessThanOrEqual(least * (1 + excess));
    }
  });

  test('the sizes a run announces are those it sends, local counts included', () => {
    const { tensors, trainedRanges } = inTurns;
    const transport = { encoding };
    const plan = { tensors, trainedRanges, config: { transport } as RunPlan['config'] };
    for (const round of [1, 2, 3]) {
      expect(updateBytes(plan, round)).toBe(encodeUpdate(six, round, inTurns).length);
    }
    expect(largestUpdateBytes(plan)).toBe(88 + 4 * 3 + 6 * perValue);
    const config = { transport, localMetrics: { noiseMultiplier: 1 } } as RunPlan['config'];
    expect(largestUpdateBytes({ ...plan, config })).toBe(88 + 4 * 3 + 6 * perValue + 16);
  });

  test('the adapter is f32 all the same, and nothing of it is lost', () => {
    const parameters = Float32Array.from({ length: 10 }, (_, i) => 1e9 / 3 ** i);
    const bytes = encodeAdapter(parameters, 5, inTurns);
    expect([bytes.length, bytes[5]]).toEqual([bytesOf(10), 0]);
    expect(decodeAdapter(bytes, inTurns)).toEqual({ adapterVersion: 5, parameters });
  });

  test('updates of the other encodings are refused', () => {
    for (const other of ['f32', 'f16', 'int8'] as const) {
      if (other === encoding) continue;
      const bytes = encodeUpdate(six, 1, { ...inTurns, encoding: other });
      expect(codeOf(() => decodeUpdate(bytes, inTurns))).toBe('UPDATE_MALFORMED');
      expect(codeOf(() => boundRound(bytes, inTurns))).toBe('UPDATE_MALFORMED');
    }
  });
});

test('a run says all that its updates are bound to', () => {
  const plan = {
    basisHash: 'f0'.repeat(32),
    parameterCount: 4,
    tensors: [{ name: 'tensor.0', count: 4 }],
    trainedRanges: [{ start: 0, end: 4 }],
    config: { transport: { encoding: 'f16' } },
  } as unknown as ResolvedRun['plan'];
  expect(bindingOf({ plan, planHash: '0a'.repeat(32) })).toEqual(bindingOfTensors('f16', 4));
});

test('only what went through the mechanism can be encoded', () => {
  expectTypeOf<Float32Array>().not.toExtend<Parameters<typeof encodeUpdate>[0]>();
  expectTypeOf<{ values: Float32Array }>().not.toExtend<Parameters<typeof encodeUpdate>[0]>();
});

test('a value no honest update has is refused, at the limit it is not', () => {
  const at = (value: number) => encodeUpdate(privatized(Float32Array.of(0, value, 0, 0)), 1, binding);
  expect(decodeUpdate(at(1e6), binding).values[1]).toBe(1e6);
  expect(codeOf(() => at(1.001e6))).toBe('UPDATE_NOT_FINITE');
  // Another program's encoder may not look
  const bytes = at(1e6);
  new DataView(bytes.buffer).setFloat32(88 + 4, 1.001e6, true);
  expect(codeOf(() => decodeUpdate(bytes, binding))).toBe('UPDATE_NOT_FINITE');
});
