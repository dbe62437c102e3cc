import type { TokenSequence } from './tokenizer/textTokenizer.ts';

/** Texts padded to one length; N examples of T tokens. */
export type TokenBatch = {
  exampleCount: number;
  tokens: number;
  /** [N*T] */
  ids: Uint32Array;
  /** [N*T]: which text of a pair a token belongs to; 0 for padding. */
  typeIds: Uint8Array;
  /** [N*T]: 1 for a real token, 0 for padding. */
  mask: Uint8Array;
};

/** Lengths sequences are padded to: few, because tfjs keeps GPU buffers by exact size and never frees them. */
const LENGTH_BUCKETS = [16, 32, 64, 128, 256, 512];

/** The smallest bucket that holds `length` tokens, at most maxTokens. */
export function bucketLength(length: number, maxTokens: number): number {
  return Math.min(maxTokens, LENGTH_BUCKETS.find((bucket) => bucket >= length) ?? maxTokens);
}

/**
 * Pads sequences to the bucket of the longest one. With `exampleCount` over the number of sequences the rest of the
 * rows are one padding token each: a fixed shape for any number of real rows.
 * @throws {RangeError} a sequence is longer than maxTokens, or there are more than exampleCount
 */
export function padBatch(
  sequences: readonly TokenSequence[],
  {
    maxTokens,
    padTokenId,
    exampleCount = sequences.length,
  }: { maxTokens: number; padTokenId: number; exampleCount?: number },
): TokenBatch {
  const longest = sequences.reduce((max, sequence) => Math.max(max, sequence.ids.length), 1);
  if (longest > maxTokens)
    throw new RangeError(`a sequence has ${longest} tokens, expected at most ${maxTokens}; cut it`);
  if (sequences.length > exampleCount) {
    throw new RangeError(`expected at most ${exampleCount} sequences, got ${sequences.length}`);
  }
  const tokens = bucketLength(longest, maxTokens);
  const ids = new Uint32Array(exampleCount * tokens).fill(padTokenId);
  const typeIds = new Uint8Array(exampleCount * tokens);
  const mask = new Uint8Array(exampleCount * tokens);
  for (let i = 0; i < exampleCount; i++) {
    const sequence = sequences[i];
    if (sequence) {
      ids.set(sequence.ids, i * tokens);
      typeIds.set(sequence.typeIds, i * tokens);
    }
    // An all-padding row still attends to one token, so that no softmax or mean is over nothing
    mask.fill(1, i * tokens, i * tokens + Math.max(1, sequence?.ids.length ?? 0));
  }
  return { exampleCount, tokens, ids, typeIds, mask };
}
