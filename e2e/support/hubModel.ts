import { readFileSync } from 'node:fs';
import { readSafetensors, writeSafetensors } from '@chorale/model';

const TINY_ENCODER = new URL('../../assets/models/tiny-encoder/', import.meta.url);

/** So many that the packed weights (2 bytes each, 128 a token) take two pieces. */
const TOKENS = 80_000;

/**
 * The embedded tiny encoder as a hub would have it: weights in two shards, more files than are needed, and embeddings of
 * many tokens that no text has.
 */
export function hubModelFiles(): Map<string, Uint8Array> {
  const weights = readSafetensors(readFileSync(new URL('model.safetensors', TINY_ENCODER)));
  const embeddings = [...weights.keys()].find((name) => name.endsWith('word_embeddings.weight'))!;
  const { shape, values } = weights.get(embeddings)!;
  const width = shape[1]!;
  const many = new Float32Array(TOKENS * width).map((_, i) => Math.sin(i));
  many.set(values);
  weights.delete(embeddings);
  const shards = {
    'model-00001-of-00002.safetensors': new Map([[embeddings, { shape: [TOKENS, width], values: many }]]),
    'model-00002-of-00002.safetensors': weights,
  };
  const weightMap = Object.fromEntries(
    Object.entries(shards).flatMap(([file, tensors]) => [...tensors.keys()].map((name) => [name, file])),
  );
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const config = JSON.parse(readFileSync(new URL('config.json', TINY_ENCODER), 'utf8')) as object;
  return new Map<string, Uint8Array>([
    ['README.md', new TextEncoder().encode('not needed')],
    ['config.json', json({ ...config, vocab_size: TOKENS })],
    ['model.safetensors.index.json', json({ metadata: {}, weight_map: weightMap })],
    ...Object.entries(shards).map(
      ([file, tensors]) => [file, writeSafetensors(tensors, { format: 'pt' })] as const,
    ),
    ['pytorch_model.bin', new TextEncoder().encode('not needed')],
    ['tokenizer.json', readFileSync(new URL('tokenizer.json', TINY_ENCODER))],
    ['tokenizer_config.json', readFileSync(new URL('tokenizer_config.json', TINY_ENCODER))],
  ]);
}
