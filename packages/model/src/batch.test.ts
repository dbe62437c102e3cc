import { expect, test } from 'vitest';
import { bucketLength, padBatch } from './batch.ts';
import type { TokenSequence } from './tokenizer/textTokenizer.ts';

const sequence = (ids: number[], typeIds: number[] = ids.map(() => 0)): TokenSequence => ({
  ids: Uint32Array.from(ids),
  typeIds: Uint8Array.from(typeIds),
});

test('lengths are rounded up to a bucket, at most maxTokens', () => {
  expect([1, 16, 17, 33, 64].map((length) => bucketLength(length, 64))).toEqual([16, 16, 32, 64, 64]);
  expect(bucketLength(20, 24)).toBe(24);
  expect(bucketLength(3, 8)).toBe(8);
  expect(bucketLength(600, 1024)).toBe(1024);
});

test('sequences are padded, and missing rows are one padding token each', () => {
  const batch = padBatch([sequence([2, 7, 3, 8], [0, 0, 1, 1]), sequence([2, 3])], {
    maxTokens: 4,
    padTokenId: 9,
    exampleCount: 3,
  });
  expect(batch).toEqual({
    exampleCount: 3,
    tokens: 4,
    ids: Uint32Array.of(2, 7, 3, 8, 2, 3, 9, 9, 9, 9, 9, 9),
    typeIds: Uint8Array.of(0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    mask: Uint8Array.of(1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0),
  });
});

test('a batch without examples and an empty sequence still attend to one token each', () => {
  expect(padBatch([], { maxTokens: 64, padTokenId: 0, exampleCount: 2 })).toMatchObject({
    exampleCount: 2,
    tokens: 16,
  });
  const { mask } = padBatch([sequence([])], { maxTokens: 64, padTokenId: 0 });
  expect(mask.reduce((sum, real) => sum + real, 0)).toBe(1);
});

test('a sequence that was not cut, or one too many, is refused instead of running over', () => {
  const long = sequence([2, 7, 7, 7, 3]);
  expect(() => padBatch([long], { maxTokens: 4, padTokenId: 0 })).toThrow(RangeError);
  expect(() => padBatch([long, long], { maxTokens: 8, padTokenId: 0, exampleCount: 1 })).toThrow(RangeError);
});
