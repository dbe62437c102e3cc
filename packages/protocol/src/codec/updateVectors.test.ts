import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../errors.ts';
import { hexToBytes } from '../resolvedRun.ts';
import { boundRound, decodeUpdate } from '../updateCodec.ts';
import { codeOf } from './codec.fixture.ts';
import type { Binding, Encoding } from './header.ts';
import { decodePlainly } from './plainDecoder.fixture.ts';
import vectors from './updateVectors.json' with { type: 'json' };

const { planHash, basisHash, parameterCount, tensors, trainedRanges } = vectors;
const bindingOf = (encoding: string): Binding => ({
  planHash,
  basisHash,
  parameterCount,
  tensors,
  trainedRanges,
  encoding: encoding as Encoding,
});

describe('updates that another program made', () => {
  test.each(vectors.accepted)('$name', ({ encoding, hex, round, values, localCounts }) => {
    const binding = bindingOf(encoding);
    const expected = Float32Array.from(values);
    expect(Array.from(expected)).toEqual(values); // the file says them exactly
    expect(decodeUpdate(hexToBytes(hex), binding)).toEqual({ round, values: expected, localCounts });
    expect(boundRound(hexToBytes(hex), binding)).toBe(round);
    expect(decodePlainly(hexToBytes(hex), binding)).toEqual({ round, values, localCounts });
  });

  test.each(vectors.refused)('refused: $name', ({ encoding, hex, code }) => {
    const binding = bindingOf(encoding);
    expect(codeOf(() => decodeUpdate(hexToBytes(hex), binding))).toBe(code as ErrorCode);
    expect(decodePlainly(hexToBytes(hex), binding)).toBeNull();
  });

  test('every encoding is among both', () => {
    for (const cases of [vectors.accepted, vectors.refused]) {
      expect(new Set(cases.map(({ encoding }) => encoding))).toEqual(new Set(['f32', 'f16', 'int8']));
    }
  });
});
