import type { AdapterConfig } from '@chorale/lora';
import { adapterLayout } from '@chorale/lora';
import type { EncoderConfig, ModelFiles, TextTokenizer, Weights } from '@chorale/model';
import {
  LAYER_MODULES,
  ModelError,
  checkpointModuleName,
  jsonOf,
  moduleShape,
  neededModelFiles,
  openTokenizer,
  packModel,
  parseEncoderConfig,
  readWeights,
} from '@chorale/model';
import { ChoraleError } from '@chorale/protocol';
import { MICRO_BATCH_SIZE, bytesPerExample } from '@chorale/trainer';
import type { Directory } from './modelDirectory.ts';
import { readFiles } from './modelDirectory.ts';

/** What a model directory holds. null where a problem keeps it from being told. */
export type ModelReport = {
  name: string;
  encoder: EncoderConfig | null;
  /** Numbers of the encoder, and of pooler and classifier where they are. */
  parameters: number | null;
  /** Tensors by the format they are stored in. */
  formats: Record<string, number> | null;
  /** Those that are read. */
  files: { name: string; bytes: number }[];
  tokenizer: { kind: TextTokenizer['kind']; tokens: number; pairs: boolean } | null;
  pooler: boolean | null;
  /** Classes of its own classifier; 0: it has none. */
  classes: number | null;
  /** What adapters can be put on. */
  targets: { target: string; firstName: string; inDim: number; outDim: number }[] | null;
  memory: Memory | null;
  /** What a tab downloads. */
  wireBytes: number | null;
  problems: string[];
};

export type Memory = {
  /** Linear modules and norms in float32, on the device. */
  weightBytes: number;
  /** Embedding tables as they are downloaded, in main memory. */
  tableBytes: number;
  /** What a training step takes besides, on the device; an upper estimate. */
  stepBytes: number;
  /** The step of which that is told. */
  step: { examples: number; maxTokens: number; rank: number };
};

/** A run's defaults. */
const MAX_TOKENS = 64;

const ADAPTER: AdapterConfig = {
  strategy: 'ffa-lora',
  rank: 8,
  alpha: 8,
  targetModules: ['query', 'value'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 1,
};

/** Looks at every part of a model directory; what cannot be used of it is named, and the rest told all the same. */
export function reportModel(directory: Directory): ModelReport {
  const problems: string[] = [];
  const attempt = <T>(act: () => T): T | null => {
    try {
      return act();
    } catch (error) {
      const known = error instanceof ModelError || error instanceof ChoraleError;
      if (!known) throw error;
      if (!problems.includes(error.message)) problems.push(error.message);
      return null;
    }
  };
  // Without all that are needed, those that are there are looked at nevertheless
  const names =
    attempt(() => neededModelFiles(directory.fileNames)) ?? directory.fileNames.filter(isModelFile);
  const files = attempt(() => readFiles(directory, names)) ?? (new Map() as ModelFiles);
  const encoder = attempt(() => parseEncoderConfig(jsonOf(files, 'config.json')));
  const weights = encoder && attempt(() => readWeights(files, encoder));
  const tokenizer = encoder && attempt(() => openTokenizer(files, encoder));
  if (tokenizer && encoder && tokenizer.tokenCount > encoder.vocabSize) {
    problems.push(
      `the tokenizer has ${tokenizer.tokenCount} tokens, the model embeddings for ${encoder.vocabSize}: a text with one of the others is refused`,
    );
  }
  const packed = weights && tokenizer && attempt(() => packModel(files));
  return {
    name: directory.name,
    encoder,
    ...weightFacts(weights),
    files: [...files].map(([name, { byteLength: bytes }]) => ({ name, bytes })),
    tokenizer: tokenizer && {
      kind: tokenizer.kind,
      tokens: tokenizer.tokenCount,
      pairs: readsPairs(tokenizer),
    },
    targets: encoder && targetsOf(encoder),
    memory: encoder && weights && memoryOf(encoder, weights),
    wireBytes: packed && [...packed.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    problems,
  };
}

function isModelFile(name: string): boolean {
  return /^(config|tokenizer|tokenizer_config|special_tokens_map|vocab)\.json$|^model.*\.safetensors(\.index\.json)?$|^(vocab|merges)\.txt$/.test(
    name,
  );
}

function weightFacts(
  weights: Weights | null,
): Pick<ModelReport, 'parameters' | 'formats' | 'pooler' | 'classes'> {
  if (!weights) return { parameters: null, formats: null, pooler: null, classes: null };
  const formats: Record<string, number> = {};
  for (const { name, shape } of weights.specs) {
    const { dtype } = weights.stored(name, shape);
    formats[dtype] = (formats[dtype] ?? 0) + 1;
  }
  return {
    parameters: weights.specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    formats,
    pooler: weights.has('pooler.weight'),
    classes: weights.specs.find(({ name }) => name === 'classifier.weight')?.shape[0] ?? 0,
  };
}

function readsPairs(tokenizer: TextTokenizer): boolean {
  try {
    tokenizer.encode('', '', 16);
    return true;
  } catch (error) {
    if (error instanceof ModelError) return false;
    throw error;
  }
}

function targetsOf(encoder: EncoderConfig): ModelReport['targets'] {
  return LAYER_MODULES.map((module) => ({
    target: module.replace('attention.self.', ''),
    firstName: checkpointModuleName(encoder, 0, module),
    ...moduleShape(encoder, module),
  }));
}

function memoryOf(encoder: EncoderConfig, weights: Weights): Memory {
  const isTable = (name: string) => /^embeddings\.\w+_embeddings\./.test(name);
  const count = (wanted: boolean) =>
    weights.specs
      .filter(({ name }) => isTable(name) === wanted && !name.startsWith('classifier.'))
      .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const layout = adapterLayout(encoder, ADAPTER, 2);
  const step = {
    examples: MICRO_BATCH_SIZE,
    maxTokens: Math.min(MAX_TOKENS, encoder.maxPositions),
    rank: ADAPTER.rank,
  };
  const { inAll } = bytesPerExample({ encoder, layout, maxTokens: step.maxTokens });
  return {
    weightBytes: 4 * count(false),
    tableBytes: 2 * count(true),
    stepBytes: step.examples * inAll,
    step,
  };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
