/** Token ids of one text or pair with its special tokens, cut and closed, ready to be padded. */
export type TokenSequence = {
  ids: Uint32Array;
  /** As long as `ids`: 0 for the first text of a pair and 1 for the second, all 0 where the model has no token types. */
  typeIds: Uint8Array;
};

/** Turns texts into what the model reads. */
export type TextTokenizer = {
  kind: 'wordpiece' | 'byte-level-bpe';
  /** Tokens of the vocabulary, added ones included. */
  tokenCount: number;
  /**
   * A text or a pair of texts with the tokenizer's own special tokens. What is longer than `maxTokens` is cut: a single
   * text at its end, of a pair the longer text at its end (the second, when both are equally long) until both fit; the
   * special tokens stay.
   * @param textPair null: a single text
   * @param maxTokens special tokens included, at least as many as the special tokens
   * @throws {ModelError} a token id is outside the model's embeddings, or the tokenizer knows no pairs
   * @throws {RangeError} maxTokens has no room for the special tokens
   */
  encode(text: string, textPair: string | null, maxTokens: number): { sequence: TokenSequence; cut: boolean };
};
