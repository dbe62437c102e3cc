import { randomValues } from '@chorale/testing/randomValues';
import type { Architecture } from '../config/encoderConfig.ts';
import { parseEncoderConfig } from '../config/encoderConfig.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { MODEL_FILE_NAMES } from '../files/modelFiles.ts';
import type { NamedTensor } from '../weights/safetensors.ts';
import { writeSafetensors } from '../weights/safetensors.ts';
import { classifierSpecs, encoderSpecs, poolerSpecs } from '../weights/tensorSpecs.ts';

/** Words the tiny model knows as one token each; all others become [UNK]. */
export const TINY_WORDS = [
  'good',
  'bad',
  'a',
  'film',
  'story',
  'dull',
  'warm',
  'very',
  'not',
  'the',
  'was',
  'actor',
];

const SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];

const BERT_CONFIG = {
  model_type: 'bert',
  hidden_act: 'gelu',
  vocab_size: SPECIAL_TOKENS.length + TINY_WORDS.length,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 12,
  max_position_embeddings: 32,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
};

/** Three encoders of one size; the positions RoBERTa does not give to tokens come on top of the 32. */
const CONFIGS: Record<Architecture, Record<string, unknown>> = {
  bert: BERT_CONFIG,
  roberta: { ...BERT_CONFIG, model_type: 'roberta', max_position_embeddings: 33, type_vocab_size: 1 },
  distilbert: {
    model_type: 'distilbert',
    activation: 'gelu',
    vocab_size: BERT_CONFIG.vocab_size,
    dim: BERT_CONFIG.hidden_size,
    n_layers: BERT_CONFIG.num_hidden_layers,
    n_heads: BERT_CONFIG.num_attention_heads,
    hidden_dim: BERT_CONFIG.intermediate_size,
    max_position_embeddings: BERT_CONFIG.max_position_embeddings,
    pad_token_id: BERT_CONFIG.pad_token_id,
  },
};

/**
 * A model directory of a random encoder, small enough that a test on the slowest backend takes milliseconds, with weights
 * large enough that every part of it matters to the result.
 * @param change may replace weights before they are written
 * @param options `classCount` gives it a pooler and a classifier; two layers unless told otherwise
 */
export function tinyModel(
  seed = 1,
  change: (weights: Map<string, NamedTensor>) => void = () => {},
  {
    architecture = 'bert',
    classCount,
    layerCount = 2,
  }: { architecture?: Architecture; classCount?: number; layerCount?: number } = {},
): ModelFiles {
  const layers = architecture === 'distilbert' ? { n_layers: layerCount } : { num_hidden_layers: layerCount };
  const configJson = { ...CONFIGS[architecture], ...layers };
  const config = parseEncoderConfig(configJson);
  const specs = encoderSpecs(config);
  if (classCount !== undefined) specs.push(...poolerSpecs(config), ...classifierSpecs(config, classCount));
  const weights = new Map<string, NamedTensor>();
  specs.forEach(({ name, fullName, shape }, i) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const { scale, offset } = spreadOf(name);
    const values = randomValues(count, seed * 1000 + i, scale).map((value) => value + offset);
    weights.set(fullName, { shape, values });
  });
  change(weights);
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const contents: Record<(typeof MODEL_FILE_NAMES)[number], Uint8Array> = {
    'config.json': json(configJson),
    'model.safetensors': writeSafetensors(weights, { format: 'pt' }),
    'tokenizer.json': json(tokenizerJson()),
    'tokenizer_config.json': json({ tokenizer_class: 'BertTokenizer', unk_token: '[UNK]' }),
  };
  return new Map(MODEL_FILE_NAMES.map((name) => [name, contents[name]]));
}

/** Values are offset ± scale. */
function spreadOf(name: string): { scale: number; offset: number } {
  if (name.endsWith('LayerNorm.weight')) return { scale: 0.5, offset: 1 };
  if (name.endsWith('LayerNorm.bias')) return { scale: 0.3, offset: 0 };
  if (name.endsWith('word_embeddings.weight')) return { scale: 1, offset: 0 };
  if (name.startsWith('embeddings.')) return { scale: 0.3, offset: 0 };
  return { scale: name.endsWith('.weight') ? 0.8 : 0.2, offset: 0 };
}

function tokenizerJson(): unknown {
  const vocab = Object.fromEntries([...SPECIAL_TOKENS, ...TINY_WORDS].map((token, id) => [token, id]));
  const special = (content: string) => ({ id: vocab[content], content, special: true, normalized: false });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map(special),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 1 } },
        { SpecialToken: { id: '[SEP]', type_id: 1 } },
      ],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [vocab['[CLS]']], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [vocab['[SEP]']], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}
