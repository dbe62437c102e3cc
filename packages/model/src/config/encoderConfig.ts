import type { Activation } from '@chorale/compute';
import { ModelError } from '../modelError.ts';
import type { ConfigFields } from './configFields.ts';
import { configFields, show } from './configFields.ts';
import { refuseUnsupported } from './unsupported.ts';

/** The encoder families this package computes; MiniLM-class models are `bert`. */
export type Architecture = 'bert' | 'roberta' | 'distilbert';

/** The shape of an encoder, from config.json in Hugging Face layout. */
export type EncoderConfig = {
  architecture: Architecture;
  vocabSize: number;
  hiddenSize: number;
  layerCount: number;
  headCount: number;
  intermediateSize: number;
  /** Tokens that have a position: the longest sequence. */
  maxPositions: number;
  /** Row of the position table the first token takes: RoBERTa counts from padTokenId + 1, the others from 0. */
  positionOffset: number;
  /** Rows of the token type table; 0 = the model has none. */
  tokenTypes: number;
  activation: Activation;
  layerNormEpsilon: number;
  padTokenId: number;
};

const BERT_FIELDS: readonly string[] = [
  'model_type',
  'vocab_size',
  'hidden_size',
  'num_attention_heads',
  'num_hidden_layers',
  'intermediate_size',
  'max_position_embeddings',
  'type_vocab_size',
  'hidden_act',
  'layer_norm_eps',
  'pad_token_id',
];

/** All fields that `parseEncoderConfig` takes from config.json, besides those it only refuses. */
export const CONFIG_FIELDS: Readonly<Record<Architecture, readonly string[]>> = {
  bert: BERT_FIELDS,
  roberta: BERT_FIELDS,
  distilbert: [
    'model_type',
    'vocab_size',
    'dim',
    'n_heads',
    'n_layers',
    'hidden_dim',
    'max_position_embeddings',
    'activation',
    'pad_token_id',
  ],
};

const ARCHITECTURES: readonly string[] = ['bert', 'roberta', 'distilbert'] satisfies Architecture[];

/** Names of activations in the transformers library; its three tanh approximations are one function. */
const ACTIVATION_OF: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  relu: 'relu',
};

/**
 * Reads config.json. The vocabulary, the widths, layers and heads must stand there: a model whose file leaves them to the
 * library's defaults is hardly ever meant. The other fields have the defaults of the transformers library.
 * @throws {ModelError} an architecture, activation or variant that is not computed here, or a size that makes no sense
 */
export function parseEncoderConfig(json: unknown): EncoderConfig {
  const fields = configFields(json);
  const modelType = fields.text('model_type');
  refuseUnsupported(fields, modelType, ARCHITECTURES);
  const architecture = modelType as Architecture;
  switch (architecture) {
    case 'bert':
      return { architecture, positionOffset: 0, ...bertFields(fields, { padTokenId: 0 }) };
    case 'roberta':
      return robertaConfig(fields);
    case 'distilbert':
      return distilbertConfig(fields);
    default:
      return architecture satisfies never;
  }
}

function bertFields(fields: ConfigFields, defaults: { padTokenId: number }) {
  const vocabSize = fields.size('vocab_size');
  return {
    vocabSize,
    ...heads(fields, 'hidden_size', 'num_attention_heads'),
    layerCount: fields.size('num_hidden_layers', { atMost: MAX_LAYERS }),
    intermediateSize: fields.size('intermediate_size'),
    maxPositions: fields.size('max_position_embeddings', { fallback: 512 }),
    tokenTypes: fields.size('type_vocab_size', { fallback: 2 }),
    activation: activation(fields, 'hidden_act'),
    layerNormEpsilon: fields.epsilon('layer_norm_eps', 1e-12),
    padTokenId: fields.tokenId('pad_token_id', { fallback: defaults.padTokenId, vocabSize }),
  };
}

/** @see Liu et al. 2019; position ids as `create_position_ids_from_input_ids` of the transformers library */
function robertaConfig(fields: ConfigFields): EncoderConfig {
  const shape = bertFields(fields, { padTokenId: 1 });
  const positionOffset = shape.padTokenId + 1;
  if (shape.maxPositions <= positionOffset) {
    throw new ModelError(
      `config.json: max_position_embeddings is ${shape.maxPositions}; RoBERTa counts from pad_token_id + 1 = ` +
        `${positionOffset}, which leaves no position for a token`,
    );
  }
  return {
    ...shape,
    architecture: 'roberta',
    maxPositions: shape.maxPositions - positionOffset,
    positionOffset,
  };
}

/** @see Sanh et al. 2019; the epsilon is fixed in the transformers library, not in the file */
function distilbertConfig(fields: ConfigFields): EncoderConfig {
  const vocabSize = fields.size('vocab_size');
  return {
    architecture: 'distilbert',
    vocabSize,
    ...heads(fields, 'dim', 'n_heads'),
    layerCount: fields.size('n_layers', { atMost: MAX_LAYERS }),
    intermediateSize: fields.size('hidden_dim'),
    maxPositions: fields.size('max_position_embeddings', { fallback: 512 }),
    positionOffset: 0,
    tokenTypes: 0,
    activation: activation(fields, 'activation'),
    layerNormEpsilon: 1e-12,
    padTokenId: fields.tokenId('pad_token_id', { fallback: 0, vocabSize }),
  };
}

/** More than any encoder has; a hostile file must not make us loop for long. */
const MAX_LAYERS = 1000;

function heads(fields: ConfigFields, sizeKey: string, headsKey: string) {
  const hiddenSize = fields.size(sizeKey);
  const headCount = fields.size(headsKey);
  if (hiddenSize % headCount !== 0) {
    throw new ModelError(
      `config.json: ${sizeKey} ${hiddenSize} is not a multiple of ${headsKey} ${headCount}`,
    );
  }
  return { hiddenSize, headCount };
}

function activation(fields: ConfigFields, key: string): Activation {
  const name = fields.text(key, 'gelu');
  if (Object.hasOwn(ACTIVATION_OF, name)) return ACTIVATION_OF[name]!;
  throw new ModelError(
    `config.json: ${key} is ${show(name)}; this version computes ${Object.keys(ACTIVATION_OF).join(', ')}`,
  );
}
