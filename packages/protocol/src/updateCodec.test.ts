import { noiseSource, noisyLocalCounts, startLocalRound } from '@chorale/privacy';
import type { LocalCounts, PrivacyPlan, Privatized } from '@chorale/privacy';
import { examplePlan, unprotectedPlan } from '@chorale/privacy/testing/plans';
import { scriptedNoise } from '@chorale/privacy/testing/scriptedNoise';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { ChoraleError } from './errors.ts';
import type { ErrorCode } from './errors.ts';
import type { RunPlan } from './resolvedRun.ts';
import {
  decodeAdapter,
  decodeUpdate,
  encodeAdapter,
  encodedBytes,
  encodeUpdate,
  largestUpdateBytes,
  updateBytes,
} from './updateCodec.ts';
import type { Binding } from './updateCodec.ts';

const binding = bindingOfSize(4);

/** A run whose rounds all train everything. */
function bindingOfSize(parameterCount: number): Binding {
  return {
    planHash: '0a'.repeat(32),
    basisHash: 'f0'.repeat(32),
    parameterCount,
    trainedRanges: [{ start: 0, end: parameterCount }],
  };
}

const values = Float32Array.of(1.5, -0, -1e6, 1e-45);

/** A marked update holding exactly these values: one step of size 1 in a run without noise. */
function privatized(change: Float32Array): Privatized<Float32Array> {
  const round = startLocalRound(
    { ...unprotectedPlan, localSteps: 1, expectedBatchSize: 1, learningRate: 1 },
    new Float32Array(change.length),
    noiseSource('rounded-gaussian'),
  );
  round.step(Float64Array.from(change, (value) => -value));
  return round.finish();
}

function encoded(): Uint8Array {
  return encodeUpdate(privatized(values), 7, binding);
}

function codeOf(action: () => unknown): ErrorCode {
  try {
    action();
  } catch (error) {
    if (error instanceof ChoraleError) return error.code;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('an update comes back as it was', () => {
  const bytes = encoded();
  expect(bytes).toHaveLength(encodedBytes(4));
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
  expect([...bytes.subarray(0, 16)]).toEqual([0x43, 0x48, 0x52, 0x55, 1, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0]);
  expect([...encodeAdapter(values, 258, binding).subarray(0, 12)]).toEqual([
    0x43, 0x48, 0x52, 0x41, 1, 0, 0, 0, 2, 1, 0, 0,
  ]);
  expect(new Set(bytes.subarray(16, 48))).toEqual(new Set([0x0a]));
  expect(new Set(bytes.subarray(48, 80))).toEqual(new Set([0xf0]));
  expect([...bytes.subarray(80, 84)]).toEqual([0, 0, 0xc0, 0x3f]); // 1.5, little-endian
});

test('property: any finite values, any offset into a larger buffer, and the values are a copy', () => {
  fc.assert(
    fc.property(
      fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 50 }),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.integer({ min: 0, max: 9 }),
      (parameters, version, offset) => {
        const own = bindingOfSize(parameters.length);
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
    ...bindingOfSize(7),
    trainedRanges: [
      { start: 0, end: 4 },
      { start: 2, end: 7 },
    ],
  };
  const five = privatized(Float32Array.of(1, 2, 3, 4, 5));

  test('an update holds what its round trains, and an adapter everything', () => {
    for (const round of [1, 3, 99]) {
      const bytes = encodeUpdate(privatized(values), round, inTurns);
      expect(bytes).toHaveLength(encodedBytes(4));
      expect(decodeUpdate(bytes, inTurns).values).toHaveLength(4);
    }
    for (const round of [2, 100]) {
      const bytes = encodeUpdate(five, round, inTurns);
      expect(bytes).toHaveLength(encodedBytes(5));
      expect(decodeUpdate(bytes, inTurns).values).toEqual(Float32Array.of(1, 2, 3, 4, 5));
    }
    expect(encodeAdapter(new Float32Array(7), 2, inTurns)).toHaveLength(encodedBytes(7));
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
    const plan = { trainedRanges, config: {} as RunPlan['config'] };
    expect(updateBytes(plan, 1)).toBe(encodeUpdate(privatized(values), 1, inTurns).length);
    expect(updateBytes(plan, 2)).toBe(encodeUpdate(five, 2, inTurns).length);
    expect(largestUpdateBytes(plan)).toBe(encodedBytes(5));
    const config = { localMetrics: { noiseMultiplier: 1 } } as RunPlan['config'];
    expect(updateBytes({ trainedRanges, config }, 1)).toBe(encodedBytes(4) + 16);
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
    expect(bytes).toHaveLength(encodedBytes(4) + 16);
    const { localCounts, round, values: decoded } = decodeUpdate(bytes, binding);
    expect(localCounts).toEqual({ correct: -20, rows: -9 });
    expect([round, decoded]).toEqual([7, privatized(values).values]);
    expect(decodeUpdate(encoded(), binding).localCounts).toBeNull();
    expect(bytes.subarray(8, 96)).toEqual(encoded().subarray(8, 96));
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
    for (const offset of [96, 104]) {
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
      ['plan hash', 16, 48, 'UPDATE_MALFORMED'],
      ['basis hash', 48, 80, 'UPDATE_MALFORMED'],
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
    expect(codeOf(() => decodeUpdate(bytes.subarray(0, 79), binding))).toBe('UPDATE_MALFORMED');
    expect(codeOf(() => decodeUpdate(bytes.subarray(0, 80), binding))).toBe('UPDATE_SIZE');
    expect(codeOf(() => decodeUpdate(bytes.subarray(0, -1), binding))).toBe('UPDATE_SIZE');
    for (const extra of [1, 4]) {
      const longer = new Uint8Array(bytes.length + extra);
      longer.set(bytes);
      expect(codeOf(() => decodeUpdate(longer, binding))).toBe('UPDATE_SIZE');
    }
  });

  test('another number of parameters', () => {
    expect(codeOf(() => decodeUpdate(encoded(), bindingOfSize(5)))).toBe('UPDATE_SIZE');
    expect(codeOf(() => encodeAdapter(values, 0, bindingOfSize(5)))).toBe('UPDATE_SIZE');
    expect(codeOf(() => encodeUpdate(privatized(values), 1, bindingOfSize(3)))).toBe('UPDATE_SIZE');
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
      new DataView(bytes.buffer).setUint32(80 + 4 * i, bits, true);
      expect(codeOf(() => decodeUpdate(bytes, binding))).toBe('UPDATE_NOT_FINITE');
    }
  });
});

test('only what went through the mechanism can be encoded', () => {
  expectTypeOf<Float32Array>().not.toExtend<Parameters<typeof encodeUpdate>[0]>();
  expectTypeOf<{ values: Float32Array }>().not.toExtend<Parameters<typeof encodeUpdate>[0]>();
});

test('a value no honest update has is refused, at the limit it is not', () => {
  const at = (value: number) => encodeUpdate(privatized(Float32Array.of(0, value, 0, 0)), 1, binding);
  expect(decodeUpdate(at(1e6), binding).values[1]).toBe(1e6);
  expect(() => decodeUpdate(at(1.001e6), binding)).toThrow(
    expect.objectContaining({ code: 'UPDATE_NOT_FINITE' }),
  );
});
