import { describe, expect, test } from 'vitest';
import { ModelError } from '../modelError.ts';
import { parseEncoderConfig } from './encoderConfig.ts';

const bert = {
  model_type: 'bert',
  hidden_act: 'gelu',
  vocab_size: 100,
  hidden_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 48,
  max_position_embeddings: 64,
};
const roberta = { ...bert, model_type: 'roberta' };
const distilbert = {
  model_type: 'distilbert',
  activation: 'gelu',
  vocab_size: 100,
  dim: 12,
  n_layers: 2,
  n_heads: 3,
  hidden_dim: 48,
  max_position_embeddings: 64,
};
const shape = { vocabSize: 100, hiddenSize: 12, layerCount: 2, headCount: 3, intermediateSize: 48 };

describe('what is read', () => {
  test('BERT, with the defaults of the transformers library', () => {
    expect(parseEncoderConfig(bert)).toEqual({
      ...shape,
      architecture: 'bert',
      maxPositions: 64,
      positionOffset: 0,
      tokenTypes: 2,
      activation: 'gelu',
      layerNormEpsilon: 1e-12,
      padTokenId: 0,
    });
    const full = { ...bert, type_vocab_size: 1, layer_norm_eps: 1e-5, pad_token_id: 99 };
    expect(parseEncoderConfig(full)).toMatchObject({ tokenTypes: 1, layerNormEpsilon: 1e-5, padTokenId: 99 });
  });

  test('RoBERTa counts positions from pad_token_id + 1, which takes them from its tokens', () => {
    // roberta-base: 514 positions in the table, 512 tokens
    const base = { ...roberta, max_position_embeddings: 514, type_vocab_size: 1, layer_norm_eps: 1e-5 };
    expect(parseEncoderConfig(base)).toEqual({
      ...shape,
      architecture: 'roberta',
      maxPositions: 512,
      positionOffset: 2,
      tokenTypes: 1,
      activation: 'gelu',
      layerNormEpsilon: 1e-5,
      padTokenId: 1,
    });
    expect(parseEncoderConfig({ ...roberta, pad_token_id: 4 })).toMatchObject({
      maxPositions: 59,
      positionOffset: 5,
    });
  });

  test('DistilBERT has names of its own, no token types and a fixed epsilon', () => {
    expect(parseEncoderConfig({ ...distilbert, sinusoidal_pos_embds: true, layer_norm_eps: 0.01 })).toEqual({
      ...shape,
      architecture: 'distilbert',
      maxPositions: 64,
      positionOffset: 0,
      tokenTypes: 0,
      activation: 'gelu',
      layerNormEpsilon: 1e-12,
      padTokenId: 0,
    });
  });

  test.each([
    ['gelu_python', 'gelu'],
    ['gelu_new', 'gelu-tanh'],
    ['gelu_fast', 'gelu-tanh'],
    ['gelu_pytorch_tanh', 'gelu-tanh'],
    ['relu', 'relu'],
  ])('the activation %s', (name, activation) => {
    expect(parseEncoderConfig({ ...bert, hidden_act: name }).activation).toBe(activation);
    expect(parseEncoderConfig({ ...distilbert, activation: name }).activation).toBe(activation);
  });

  test('what changes nothing is not looked at, and null is missing', () => {
    const harmless = {
      is_decoder: false,
      add_cross_attention: false,
      pruned_heads: {},
      position_embedding_type: 'absolute',
      quantization_config: null,
      embedding_size: 12,
      hidden_dropout_prob: 0.1,
      type_vocab_size: null,
    };
    expect(parseEncoderConfig({ ...bert, ...harmless })).toEqual(parseEncoderConfig(bert));
  });
});

test.each<[object, RegExp]>([
  [{ model_type: 'albert', embedding_size: 4 }, /model_type "albert" is not supported: it shares one layer/],
  [{ model_type: 'electra' }, /"electra" is not supported: it projects its embeddings/],
  [{ model_type: 'deberta-v2' }, /"deberta-v2" is not supported: its attention is disentangled/],
  [{ model_type: 'mpnet' }, /"mpnet" is not supported: it adds relative positions/],
  [{ model_type: 'modernbert' }, /"modernbert" is not supported: it rotates queries and keys/],
  [{ model_type: 'xlm-roberta' }, /"xlm-roberta" is not supported: its tokenizer is SentencePiece/],
  [{ model_type: 't5' }, /"t5" is not supported: it is an encoder with a decoder/],
  [{ model_type: 'llama' }, /"llama" is not supported: it is a decoder/],
  [{ model_type: 'vit' }, /"vit" is not supported; this version reads bert, roberta, distilbert/],
  [{ model_type: 'toString' }, /"toString" is not supported; this/],
  [{ model_type: undefined }, /model_type is missing, expected a name/],
  [{ model_type: 5 }, /model_type is 5, expected a name/],
  [{ is_decoder: true }, /is_decoder true is not supported: it is a decoder/],
  [{ is_encoder_decoder: true }, /is_encoder_decoder true is not supported/],
  [{ add_cross_attention: true }, /add_cross_attention true is not supported: cross attention/],
  [{ position_embedding_type: 'relative_key' }, /"relative_key" is not supported: only absolute/],
  [{ position_embedding_type: 'alibi' }, /"alibi" is not supported: only absolute/],
  [{ quantization_config: { bits: 4 } }, /quantization_config \{"bits":4\} is not supported: quantized/],
  [{ auto_map: { AutoModel: 'modeling_bert.JinaBertModel' } }, /auto_map .* needs Python code/],
  [{ pruned_heads: { 1: [0] } }, /pruned_heads \{"1":\[0\]\} is not supported/],
  [{ embedding_size: 6 }, /embedding_size 6 is not supported: embeddings must be as wide/],
  [{ hidden_act: 'quick_gelu' }, /hidden_act is "quick_gelu"; this version computes gelu, /],
  [{ hidden_act: 'constructor' }, /hidden_act is "constructor"; this/],
  [{ hidden_act: 3 }, /hidden_act is 3, expected a name/],
  [{ hidden_size: 0 }, /hidden_size is 0, expected a whole number from 1/],
  [{ hidden_size: '12' }, /hidden_size is "12"/],
  [{ vocab_size: undefined }, /vocab_size is missing/],
  [{ num_hidden_layers: 1.5 }, /num_hidden_layers is 1.5/],
  [{ num_hidden_layers: 1e6 }, /num_hidden_layers is 1000000, expected a whole number from 1 to 1000/],
  [{ intermediate_size: 1e9 }, /intermediate_size is 1000000000/],
  [{ type_vocab_size: 0 }, /type_vocab_size is 0/],
  [{ num_attention_heads: 5 }, /hidden_size 12 is not a multiple of num_attention_heads 5/],
  [{ layer_norm_eps: 0 }, /layer_norm_eps is 0/],
  [{ layer_norm_eps: '1e-12' }, /layer_norm_eps is "1e-12"/],
  [{ pad_token_id: -1 }, /pad_token_id is -1/],
  [{ pad_token_id: 100 }, /pad_token_id is 100, expected a token id under vocab_size 100/],
  [{ model_type: 'roberta', max_position_embeddings: 2 }, /leaves no position for a token/],
])('BERT with %j is refused by name', (change, message) => {
  const config = { ...bert, ...change };
  expect(() => parseEncoderConfig(config)).toThrow(ModelError);
  expect(() => parseEncoderConfig(config)).toThrow(message);
});

test.each<[object, RegExp]>([
  [{ activation: 'silu' }, /activation is "silu"/],
  [{ dim: undefined, hidden_size: 12 }, /dim is missing/],
  [{ n_heads: 7 }, /dim 12 is not a multiple of n_heads 7/],
])('DistilBERT with %j is refused by name', (change, message) => {
  expect(() => parseEncoderConfig({ ...distilbert, ...change })).toThrow(message);
});

test.each([
  ['a size', { ...bert, hidden_size: 'x'.repeat(1e6) }],
  ['a model type', { ...bert, model_type: 'x'.repeat(1e6) }],
  ['an activation', { ...bert, hidden_act: 'x'.repeat(1e6) }],
  ['a quantization', { ...bert, quantization_config: { notes: 'x'.repeat(1e6) } }],
  ['no object', 'x'.repeat(1e6)],
])('%s of a megabyte is not repeated', (_, json) => {
  expect(() => parseEncoderConfig(json)).toThrow(/x{50,60}…/);
  expect(() => parseEncoderConfig(json)).not.toThrow(/x{61}/);
});

test.each([null, 'bert', [], 3])('%j is no config', (json) => {
  expect(() => parseEncoderConfig(json)).toThrow(/config\.json: expected an object, got /);
});
