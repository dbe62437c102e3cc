import { Tokenizer } from '@huggingface/tokenizers';
import type { EncoderConfig } from './encoderConfig.ts';
import { parseEncoderConfig } from './encoderConfig.ts';
import { ModelError } from './modelError.ts';
import type { NamedTensor } from './safetensors.ts';
import { readSafetensors } from './safetensors.ts';

/** A model directory in Hugging Face layout: file name → bytes. */
export type ModelFiles = Map<string, Uint8Array>;

/** The files a tab needs of a model directory. */
export const MODEL_FILE_NAMES = [
  'config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
] as const;

/** A model on the CPU, not yet on any device. */
export type Checkpoint = {
  config: EncoderConfig;
  /** Weights by their Hugging Face name, without the leading "bert.". */
  weights: Map<string, NamedTensor>;
  /** Text → token ids, special tokens included, not cut. */
  tokenize: (text: string) => number[];
};

/**
 * Reads a model directory.
 * @throws {ModelError} a file is missing or cannot be used; the message names it
 */
export function readCheckpoint(files: ModelFiles): Checkpoint {
  const config = parseEncoderConfig(readJson(files, 'config.json'));
  const weights = new Map<string, NamedTensor>();
  for (const [name, tensor] of readSafetensors(fileOf(files, 'model.safetensors'))) {
    weights.set(name.replace(/^bert\./, ''), tensor);
  }
  const tokenizer = openTokenizer(
    readJson(files, 'tokenizer.json'),
    readJson(files, 'tokenizer_config.json'),
  );
  const tokenize = (text: string): number[] => {
    const { ids } = tokenizer.encode(text);
    const outside = ids.find((id) => id >= config.vocabSize);
    if (outside !== undefined) {
      throw new ModelError(
        `tokenizer.json: token id ${outside} is outside the model's ${config.vocabSize} embeddings`,
      );
    }
    return ids;
  };
  return { config, weights, tokenize };
}

function openTokenizer(tokenizerJson: unknown, configJson: unknown): Tokenizer {
  try {
    return new Tokenizer(tokenizerJson as object, configJson as object);
  } catch (cause) {
    throw new ModelError('tokenizer.json: this tokenizer cannot be read', { cause });
  }
}

function readJson(files: ModelFiles, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(fileOf(files, name)));
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`${name}: not valid JSON`, { cause });
  }
}

function fileOf(files: ModelFiles, name: string): Uint8Array {
  const bytes = files.get(name);
  if (!bytes)
    throw new ModelError(
      `the model directory has no ${name}; it has ${[...files.keys()].join(', ') || 'no files'}`,
    );
  return bytes;
}

/**
 * Takes one weight and checks its shape.
 * @throws {ModelError} missing, or another shape
 */
export function weightOf(checkpoint: Checkpoint, name: string, shape: number[]): Float32Array {
  const tensor = checkpoint.weights.get(name);
  if (!tensor) throw new ModelError(`model.safetensors: tensor ${name} is missing`);
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
    throw new ModelError(
      `model.safetensors: tensor ${name} has shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`,
    );
  }
  return tensor.values;
}
