import type { TokenBatch } from '../batch.ts';
import { padBatch } from '../batch.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { readCheckpoint } from '../checkpoint.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { neededModelFiles } from '../files/neededModelFiles.ts';
import type { TokenSequence } from '../tokenizer/textTokenizer.ts';
import type { NamedTensor } from '../weights/safetensors.ts';
import { readSafetensors } from '../weights/safetensors.ts';
import { tinyModel } from './tinyModel.ts';

/** Reads a file under `packages/model/src/testing/golden/`; in Node from disk, in a page by `fetch`. */
export type ReadGolden = (path: string) => Promise<Uint8Array>;

const SINGLE = ['config.json', 'model.safetensors'];

/** Every golden checkpoint with its files; see golden/README.md. */
export const GOLDEN_MODELS = {
  bert: SINGLE,
  roberta: SINGLE,
  distilbert: SINGLE,
  'bert-bare': SINGLE,
  'bert-sharded-f16': [
    'config.json',
    'model.safetensors.index.json',
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
  ],
  'roberta-bf16': SINGLE,
} as const;
export type GoldenName = keyof typeof GOLDEN_MODELS;

/** Those with gradients among their golden values: one of each architecture. */
export const GOLDEN_WITH_GRADIENTS = ['bert', 'roberta', 'distilbert'] as const satisfies GoldenName[];

/** A golden checkpoint and what an independent implementation computes for it. */
export type Golden = {
  name: GoldenName;
  files: ModelFiles;
  checkpoint: Checkpoint;
  /** Values by name; see `valuesOf`. */
  expected: ReadonlyMap<string, NamedTensor>;
  /** The three examples: a text, a pair (where there are token types), an empty text. */
  sequences: readonly TokenSequence[];
};

export async function readGolden(name: GoldenName, read: ReadGolden): Promise<Golden> {
  const files: ModelFiles = new Map();
  for (const file of neededModelFiles([...GOLDEN_MODELS[name], 'tokenizer.json'])) {
    if (file !== 'tokenizer.json') files.set(file, await read(`${name}/${file}`));
  }
  // The golden values are of ids; any tokenizer of no more tokens will do
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) files.set(file, tinyModel().get(file)!);
  const checkpoint = readCheckpoint(files);
  const expected = readSafetensors(await read(`${name}/expected.safetensors`), 'expected.safetensors');
  return { name, files, checkpoint, expected, sequences: sequencesFor(checkpoint) };
}

/** As the script has them; RoBERTa's second has the padding id (1) within the text, which then takes no position. */
function sequencesFor({ config }: Checkpoint): TokenSequence[] {
  const second = [2, 9, 3, config.architecture === 'roberta' ? 1 : 22, 39, 12, 5, 3];
  const typeIds = config.architecture === 'bert' ? [0, 0, 0, 1, 1, 1, 1, 1] : [0, 0, 0, 0, 0, 0, 0, 0];
  return [
    { ids: Uint32Array.of(2, 17, 8, 31, 3), typeIds: new Uint8Array(5) },
    { ids: Uint32Array.from(second), typeIds: Uint8Array.from(typeIds) },
    { ids: Uint32Array.of(2, 3), typeIds: new Uint8Array(2) },
  ];
}

export const GOLDEN_LABELS = [2, 0, 1];
export const GOLDEN_RANK = 2;
export const GOLDEN_SCALING = 1.5;

export function valuesOf({ name, expected }: Golden, key: string): Float32Array {
  const tensor = expected.get(key);
  if (!tensor) throw new Error(`golden/${name} has no ${key}`);
  return tensor.values;
}

/** Each example alone without padding, then all padded together, with one row more than there are examples. */
export function goldenBatches({
  checkpoint,
  sequences,
}: Pick<Golden, 'checkpoint' | 'sequences'>): { batch: TokenBatch; examples: number[] }[] {
  const { padTokenId, maxPositions } = checkpoint.config;
  const together = padBatch(sequences, {
    maxTokens: maxPositions,
    padTokenId,
    exampleCount: sequences.length + 1,
  });
  return [
    ...sequences.map((sequence, n) => ({
      batch: padBatch([sequence], { maxTokens: sequence.ids.length, padTokenId }),
      examples: [n],
    })),
    { batch: together, examples: sequences.map((_, n) => n) },
  ];
}
