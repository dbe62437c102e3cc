import { randomValues } from '@chorale/testing/randomValues';
import type { ModelFiles } from '../checkpoint.ts';
import { MODEL_FILE_NAMES } from '../checkpoint.ts';
import { LAYER_MODULES, moduleName, moduleShape } from '../encoder.ts';
import { parseEncoderConfig } from '../encoderConfig.ts';
import type { NamedTensor } from '../safetensors.ts';
import { writeSafetensors } from '../safetensors.ts';

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

const TINY_CONFIG = {
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

/**
 * A model directory of a random BERT, small enough that a test on the slowest backend takes milliseconds, with weights
 * large enough that every part of it matters to the result.
 * @param change may replace weights before they are written
 */
export function tinyModel(
  seed = 1,
  change: (weights: Map<string, NamedTensor>) => void = () => {},
): ModelFiles {
  const config = parseEncoderConfig(TINY_CONFIG);
  const { hiddenSize, vocabSize, maxPositions, tokenTypes } = config;
  const weights = new Map<string, NamedTensor>();
  const put = (name: string, shape: number[], scale: number, offset = 0) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = randomValues(count, seed * 1000 + weights.size, scale).map((value) => value + offset);
    weights.set(`bert.${name}`, { shape, values });
  };
  const putNorm = (name: string) => {
    put(`${name}.weight`, [hiddenSize], 0.5, 1);
    put(`${name}.bias`, [hiddenSize], 0.3);
  };
  put('embeddings.word_embeddings.weight', [vocabSize, hiddenSize], 1);
  put('embeddings.position_embeddings.weight', [maxPositions, hiddenSize], 0.3);
  put('embeddings.token_type_embeddings.weight', [tokenTypes, hiddenSize], 0.3);
  putNorm('embeddings.LayerNorm');
  for (let layer = 0; layer < config.layerCount; layer++) {
    for (const module of LAYER_MODULES) {
      const { inDim, outDim } = moduleShape(config, module);
      put(`${moduleName(layer, module)}.weight`, [outDim, inDim], 0.8);
      put(`${moduleName(layer, module)}.bias`, [outDim], 0.2);
    }
    putNorm(`encoder.layer.${layer}.attention.output.LayerNorm`);
    putNorm(`encoder.layer.${layer}.output.LayerNorm`);
  }
  change(weights);
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const contents: Record<(typeof MODEL_FILE_NAMES)[number], Uint8Array> = {
    'config.json': json(TINY_CONFIG),
    'model.safetensors': writeSafetensors(weights, { format: 'pt' }),
    'tokenizer.json': json(tokenizerJson()),
    'tokenizer_config.json': json({ tokenizer_class: 'BertTokenizer', unk_token: '[UNK]' }),
  };
  return new Map(MODEL_FILE_NAMES.map((name) => [name, contents[name]]));
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
      pair: [],
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
