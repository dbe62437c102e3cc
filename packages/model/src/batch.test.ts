import { expect, test } from 'vitest';
import { bucketLength, cutSequence, padBatch } from './batch.ts';

test('a text is cut to maxTokens and keeps its closing token', () => {
  expect([...cutSequence([2, 7, 8, 9, 3], 5)]).toEqual([2, 7, 8, 9, 3]);
  expect([...cutSequence([2, 7, 8, 9, 3], 4)]).toEqual([2, 7, 8, 3]);
  expect([...cutSequence([2, 7, 8, 9, 3], 2)]).toEqual([2, 3]);
});

test('lengths are rounded up to a bucket, at most maxTokens', () => {
  expect([1, 16, 17, 33, 64].map((length) => bucketLength(length, 64))).toEqual([16, 16, 32, 64, 64]);
  expect(bucketLength(20, 24)).toBe(24);
  expect(bucketLength(3, 8)).toBe(8);
  expect(bucketLength(600, 1024)).toBe(1024);
});

test('sequences are padded, and missing rows are one padding token each', () => {
  const batch = padBatch([Uint32Array.of(2, 7, 3), Uint32Array.of(2, 3)], {
    maxTokens: 4,
    padTokenId: 9,
    exampleCount: 3,
  });
  expect(batch).toEqual({
    exampleCount: 3,
    tokens: 4,
    ids: Uint32Array.of(2, 7, 3, 9, 2, 3, 9, 9, 9, 9, 9, 9),
    mask: Uint8Array.of(1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0),
  });
});

test('a batch without examples and an empty sequence still attend to one token each', () => {
  expect(padBatch([], { maxTokens: 64, padTokenId: 0, exampleCount: 2 })).toMatchObject({
    exampleCount: 2,
    tokens: 16,
  });
  const { mask } = padBatch([new Uint32Array()], { maxTokens: 64, padTokenId: 0 });
  expect(mask.reduce((sum, real) => sum + real, 0)).toBe(1);
});

test('a sequence that was not cut, or one too many, is refused instead of running over', () => {
  const sequence = Uint32Array.of(2, 7, 7, 7, 3);
  expect(() => padBatch([sequence], { maxTokens: 4, padTokenId: 0 })).toThrow(RangeError);
  expect(() => padBatch([sequence, sequence], { maxTokens: 8, padTokenId: 0, exampleCount: 1 })).toThrow(
    RangeError,
  );
});
