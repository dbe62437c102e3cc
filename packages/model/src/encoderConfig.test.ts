import { expect, test } from 'vitest';
import { parseEncoderConfig } from './encoderConfig.ts';
import { ModelError } from './modelError.ts';

const good = {
  model_type: 'bert',
  hidden_act: 'gelu',
  vocab_size: 100,
  hidden_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 48,
  max_position_embeddings: 64,
};

test('sizes are read, the rest has the defaults of Hugging Face', () => {
  expect(parseEncoderConfig(good)).toEqual({
    vocabSize: 100,
    hiddenSize: 12,
    layerCount: 2,
    headCount: 3,
    intermediateSize: 48,
    maxPositions: 64,
    tokenTypes: 2,
    layerNormEpsilon: 1e-12,
    padTokenId: 0,
  });
  const full = { ...good, type_vocab_size: 1, layer_norm_eps: 1e-5, pad_token_id: 99 };
  expect(parseEncoderConfig(full)).toMatchObject({ tokenTypes: 1, layerNormEpsilon: 1e-5, padTokenId: 99 });
});

test.each<[unknown, RegExp]>([
  [null, /expected an object/],
  ['bert', /expected an object/],
  [{ ...good, model_type: 'roberta' }, /model_type is "roberta"/],
  [{ ...good, model_type: undefined }, /model_type is missing/],
  [{ ...good, hidden_act: 'gelu_new' }, /hidden_act is "gelu_new"/],
  [{ ...good, position_embedding_type: 'relative_key' }, /"relative_key" is not supported/],
  [{ ...good, hidden_size: 0 }, /hidden_size is 0, expected a whole number from 1/],
  [{ ...good, hidden_size: '12' }, /hidden_size is "12"/],
  [{ ...good, vocab_size: undefined }, /vocab_size is missing/],
  [{ ...good, num_hidden_layers: 1.5 }, /num_hidden_layers is 1.5/],
  [{ ...good, intermediate_size: 1e9 }, /intermediate_size is 1000000000/],
  [{ ...good, num_attention_heads: 5 }, /hidden_size 12 is not a multiple of num_attention_heads 5/],
  [{ ...good, layer_norm_eps: 0 }, /layer_norm_eps is 0/],
  [{ ...good, layer_norm_eps: '1e-12' }, /layer_norm_eps is "1e-12"/],
  [{ ...good, pad_token_id: -1 }, /pad_token_id is -1/],
  [{ ...good, pad_token_id: 100 }, /pad_token_id is 100, expected a token id under vocab_size 100/],
])('%j is refused', (config, message) => {
  expect(() => parseEncoderConfig(config)).toThrow(ModelError);
  expect(() => parseEncoderConfig(config)).toThrow(message);
});
