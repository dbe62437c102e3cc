import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ModelFiles } from '../files/modelFiles.ts';
import { openTokenizer } from '../tokenizer/openTokenizer.ts';

export const GOLDEN = resolve(import.meta.dirname, '../tokenizer/golden');
const TINY = resolve(import.meta.dirname, '../../../../assets/models/tiny-encoder');
export const bytes = (...path: string[]) => new Uint8Array(readFileSync(resolve(...path)));
export const text = (value: string) => new TextEncoder().encode(value);
export const json = (value: unknown) => text(JSON.stringify(value));

export const BERT = { architecture: 'bert', vocabSize: 8000, tokenTypes: 2 } as const;
export const DISTILBERT = { architecture: 'distilbert', vocabSize: 8000, tokenTypes: 0 } as const;
export const ROBERTA = { architecture: 'roberta', vocabSize: 380, tokenTypes: 1 } as const;

export const tinyJson = (): ModelFiles => new Map([['tokenizer.json', bytes(TINY, 'tokenizer.json')]]);
export const tinyText = (): ModelFiles => new Map([['vocab.txt', bytes(TINY, 'vocab.txt')]]);
export const byteLevel = (): ModelFiles =>
  new Map([
    ['vocab.json', bytes(GOLDEN, 'vocab.json')],
    ['merges.txt', bytes(GOLDEN, 'merges.txt')],
  ]);

/**
 * A small WordPiece tokenizer.json.
 * @param changes by place, like `model.vocab.good`
 * @param added tokens beside the vocabulary's [SEP]
 */
export function wordPiece(changes: Record<string, unknown> = {}, added: object[] = []): ModelFiles {
  const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'good', 'film', '##s', 'BIG', 'big', '#', '['];
  const file: Record<string, unknown> = {
    added_tokens: [{ id: 3, content: '[SEP]', special: true }, ...added],
    normalizer: { type: 'BertNormalizer', lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
    },
  };
  for (const [place, value] of Object.entries(changes)) {
    const keys = place.split('.');
    const owner = keys.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, file);
    owner[keys.at(-1)!] = value;
  }
  return new Map([['tokenizer.json', json(file)]]);
}

export const encode = (
  files: ModelFiles,
  config: Parameters<typeof openTokenizer>[1],
  ...[first, second = null, maxTokens = 64]: [first: string, second?: string | null, maxTokens?: number]
) => {
  const { sequence, cut } = openTokenizer(files, config).encode(first, second, maxTokens);
  return { ids: [...sequence.ids], typeIds: [...sequence.typeIds], cut };
};
