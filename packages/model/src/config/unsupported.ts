import { ModelError } from '../modelError.ts';
import type { ConfigFields } from './configFields.ts';
import { show } from './configFields.ts';

const SENTENCEPIECE = 'its tokenizer is SentencePiece, which cannot be read';
const RELATIVE = 'it adds relative positions to the attention scores';
const ROTARY = 'it rotates queries and keys by their position';
const DECODER = 'it is a decoder, which sees only the text to the left';
const ENCODER_DECODER = 'it is an encoder with a decoder';
const SPARSE = 'its attention is sparse, made for long texts';

/** What other model types compute that ours do not, for a message that helps to choose another model. */
const OTHER_TYPES: Readonly<Record<string, string>> = {
  'xlm-roberta': SENTENCEPIECE,
  camembert: SENTENCEPIECE,
  albert: 'it shares one layer among all and factorizes its embeddings',
  electra: 'it projects its embeddings (embedding_size) to the hidden size',
  convbert: 'it mixes convolutions into its attention',
  mobilebert: 'it has bottleneck layers and no layer norm',
  squeezebert: 'its linear layers are grouped convolutions',
  deberta: 'its attention is disentangled into content and relative position',
  'deberta-v2': 'its attention is disentangled into content and relative position',
  mpnet: RELATIVE,
  funnel: 'it shortens the sequence from block to block',
  xlnet: RELATIVE,
  xlm: 'it has language embeddings and another layer order',
  'roberta-prelayernorm': 'it normalizes before each block, not after',
  'xlm-roberta-xl': 'it normalizes before each block, not after',
  'megatron-bert': 'it normalizes before each block, not after',
  ibert: 'it computes with integers',
  modernbert: ROTARY,
  nomic_bert: ROTARY,
  roformer: ROTARY,
  esm: ROTARY,
  new: ROTARY,
  longformer: SPARSE,
  big_bird: SPARSE,
  nystromformer: SPARSE,
  reformer: SPARSE,
  t5: ENCODER_DECODER,
  mt5: ENCODER_DECODER,
  bart: ENCODER_DECODER,
  mbart: ENCODER_DECODER,
  'encoder-decoder': ENCODER_DECODER,
  'bert-generation': DECODER,
  gpt2: DECODER,
  gpt_neox: DECODER,
  opt: DECODER,
  llama: DECODER,
  mistral: DECODER,
  qwen2: DECODER,
  qwen3: DECODER,
  phi3: DECODER,
  gemma: DECODER,
  gemma2: DECODER,
  gemma3_text: DECODER,
};

/**
 * Refuses, by name, what config.json asks for and this package does not compute: reading on would give a model that runs
 * and answers wrongly.
 * @param known model types that are computed; MiniLM-class models are among them as `bert`
 * @throws {ModelError}
 */
export function refuseUnsupported(fields: ConfigFields, modelType: string, known: readonly string[]): void {
  if (!known.includes(modelType)) {
    const why = Object.hasOwn(OTHER_TYPES, modelType) ? `: ${OTHER_TYPES[modelType]}` : '';
    throw new ModelError(
      `config.json: model_type ${show(modelType)} is not supported${why}; this version reads ${known.join(', ')}`,
    );
  }
  const refuse = (key: string, why: string): void => {
    throw new ModelError(`config.json: ${key} ${show(fields.value(key))} is not supported: ${why}`);
  };
  const isSet = (key: string): boolean => {
    const value = fields.value(key);
    return value !== undefined && value !== false;
  };
  if (isSet('is_decoder')) refuse('is_decoder', DECODER);
  if (isSet('is_encoder_decoder')) refuse('is_encoder_decoder', ENCODER_DECODER);
  if (isSet('add_cross_attention')) refuse('add_cross_attention', 'cross attention is not computed');
  if (isSet('quantization_config')) {
    refuse('quantization_config', 'quantized weights cannot be read; use the model before quantization');
  }
  // Repositories with code of their own keep a known model_type and compute something else (ALiBi, rotary positions)
  if (isSet('auto_map')) refuse('auto_map', 'the model needs Python code of its own repository');
  const positions = fields.value('position_embedding_type') ?? 'absolute';
  if (positions !== 'absolute') refuse('position_embedding_type', 'only absolute positions are computed');
  const pruned = fields.value('pruned_heads');
  if (typeof pruned === 'object' && pruned !== null ? Object.keys(pruned).length > 0 : pruned !== undefined) {
    refuse('pruned_heads', 'every layer must have all its heads');
  }
  const embedding = fields.value('embedding_size');
  if (embedding !== undefined && embedding !== (fields.value('hidden_size') ?? fields.value('dim'))) {
    refuse('embedding_size', 'embeddings must be as wide as the hidden size');
  }
}
