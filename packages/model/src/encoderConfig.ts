import { ModelError } from './modelError.ts';

/** The shape of a BERT encoder, from config.json in Hugging Face layout. */
export type EncoderConfig = {
  vocabSize: number;
  hiddenSize: number;
  layerCount: number;
  headCount: number;
  intermediateSize: number;
  maxPositions: number;
  tokenTypes: number;
  layerNormEpsilon: number;
  padTokenId: number;
};

/**
 * Reads config.json.
 * @throws {ModelError} another architecture or activation than BERT with exact GELU, or a size that makes no sense
 */
export function parseEncoderConfig(json: unknown): EncoderConfig {
  if (typeof json !== 'object' || json === null) throw new ModelError('config.json: expected an object');
  const config = json as Record<string, unknown>;
  if (config.model_type !== 'bert') {
    throw new ModelError(
      `config.json: model_type is ${show(config.model_type)}; this version reads "bert" only`,
    );
  }
  if (config.hidden_act !== 'gelu') {
    throw new ModelError(
      `config.json: hidden_act is ${show(config.hidden_act)}; this version computes "gelu" only`,
    );
  }
  if ((config.position_embedding_type ?? 'absolute') !== 'absolute') {
    throw new ModelError(
      `config.json: position_embedding_type ${show(config.position_embedding_type)} is not supported`,
    );
  }
  const size = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > 1e7) {
      throw new ModelError(`config.json: ${key} is ${show(value)}, expected a whole number from 1`);
    }
    return value;
  };
  const epsilon = config.layer_norm_eps ?? 1e-12;
  if (typeof epsilon !== 'number' || !(epsilon > 0 && epsilon < 0.1)) {
    throw new ModelError(`config.json: layer_norm_eps is ${show(epsilon)}, expected a small positive number`);
  }
  const hiddenSize = size('hidden_size');
  const headCount = size('num_attention_heads');
  if (hiddenSize % headCount !== 0) {
    throw new ModelError(
      `config.json: hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${headCount}`,
    );
  }
  const vocabSize = size('vocab_size');
  const padTokenId = config.pad_token_id ?? 0;
  if (
    typeof padTokenId !== 'number' ||
    !Number.isSafeInteger(padTokenId) ||
    padTokenId < 0 ||
    padTokenId >= vocabSize
  ) {
    throw new ModelError(
      `config.json: pad_token_id is ${show(padTokenId)}, expected a token id under vocab_size ${vocabSize}`,
    );
  }
  return {
    vocabSize,
    hiddenSize,
    layerCount: size('num_hidden_layers'),
    headCount,
    intermediateSize: size('intermediate_size'),
    maxPositions: size('max_position_embeddings'),
    tokenTypes: size('type_vocab_size', 2),
    layerNormEpsilon: epsilon,
    padTokenId,
  };
}

/** A value of the file as it stands there. */
function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value);
}
