import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openTokenizer } from './openTokenizer.ts';
import type { TextTokenizer } from './textTokenizer.ts';

// Ids by Python programs written from the published definitions (google-research/bert tokenization.py, with the
// transformers library's limit of 100 characters and its removal of private use characters; openai/gpt-2 encoder.py),
// run once on the vocabulary of the tiny encoder and on the two small ones beside this file
type Case = {
  name: string;
  text: string;
  uncased: number[];
  cased: number[];
  casedStripped: number[];
  bytes: number[];
  bytesPrefixed: number[];
};

const GOLDEN = resolve(import.meta.dirname, 'golden');
const TINY = resolve(import.meta.dirname, '../../../../assets/models/tiny-encoder');
const { cases } = JSON.parse(readFileSync(resolve(GOLDEN, 'ids.json'), 'utf8')) as { cases: Case[] };

const bytes = (...path: string[]) => new Uint8Array(readFileSync(resolve(...path)));
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const BERT = { architecture: 'bert', vocabSize: 8000, tokenTypes: 2 } as const;
const ROBERTA = { architecture: 'roberta', vocabSize: 380, tokenTypes: 1 } as const;

const wordPiece = (config: object) =>
  openTokenizer(
    new Map([
      ['vocab.txt', bytes(GOLDEN, 'cased-vocab.txt')],
      ['tokenizer_config.json', json(config)],
    ]),
    BERT,
  );
const byteLevel = (config: object) =>
  openTokenizer(
    new Map([
      ['vocab.json', bytes(GOLDEN, 'vocab.json')],
      ['merges.txt', bytes(GOLDEN, 'merges.txt')],
      ['tokenizer_config.json', json(config)],
    ]),
    ROBERTA,
  );

const tokenizers: [name: keyof Case, tokenizer: TextTokenizer][] = [
  ['uncased', openTokenizer(new Map([['tokenizer.json', bytes(TINY, 'tokenizer.json')]]), BERT)],
  ['cased', wordPiece({ do_lower_case: false })],
  ['casedStripped', wordPiece({ do_lower_case: false, strip_accents: true })],
  ['bytes', byteLevel({})],
  ['bytesPrefixed', byteLevel({ add_prefix_space: true })],
];

test.each(tokenizers)('%s: the ids of an independent implementation on 53 nasty texts', (name, tokenizer) => {
  const found = cases.map((golden) => {
    const { sequence } = tokenizer.encode(golden.text, null, 10_000);
    return { name: golden.name, text: golden.text, ids: [...sequence.ids].slice(1, -1) };
  });
  expect(found).toEqual(cases.map((golden) => ({ name: golden.name, text: golden.text, ids: golden[name] })));
  expect(cases.length).toBe(53);
});
