import { expect, test } from 'vitest';
import { openCompute } from '@chorale/compute';
import type { ModelFiles } from './checkpoint.ts';
import { readCheckpoint } from './checkpoint.ts';
import { uploadEncoder } from './encoder.ts';
import { ModelError } from './modelError.ts';
import { readTinyEncoder } from './testing/tinyEncoder.ts';
import { tinyModel } from './testing/tinyModel.ts';

// Ids by an independent WordPiece (written in Python from Hugging Face's description) over the same vocab.txt
const TOKENIZED: [text: string, ids: number[]][] = [
  ['a gripping and funny story', [2, 70, 6182, 2258, 114, 4098, 1714, 3]],
  ['The plot is thin, the acting dull.', [2, 102, 374, 260, 158, 2150, 51, 102, 6014, 2951, 53, 3]],
  ["It's AWFUL!!! Don't watch...", [2, 135, 47, 88, 2991, 5, 5, 5, 457, 47, 89, 813, 53, 53, 53, 3]],
  ['Café naïve — résumé', [2, 6647, 5929, 350, 98, 380, 2618, 3]],
  ['unbelievably heartwarming', [2, 4338, 237, 240, 39, 1113, 854, 40, 788, 112, 3]],
  ['', [2, 3]],
  ['   ', [2, 3]],
  ['你好 world', [2, 1, 1, 703, 3]],
  ['tab\tand\nnewline\u00a0nbsp', [2, 4014, 19, 114, 548, 2460, 83, 2257, 33, 3]],
  ['zero\u200bwidth', [2, 6861, 850, 149, 122, 3]],
  ['12,345.67 $ & <b>', [2, 958, 51, 5611, 13, 53, 61, 15, 44, 46, 1, 71, 1, 3]],
  ['İstanbul 😀 ok', [2, 158, 2313, 31, 19, 232, 1, 586, 3]],
  ['x'.repeat(101), [2, 1, 3]],
];

test('the embedded tokenizer gives the ids of an independent WordPiece', async () => {
  const { tokenize } = readCheckpoint(await readTinyEncoder());
  expect(TOKENIZED.map(([text]) => [text, tokenize(text)])).toEqual(TOKENIZED);
});

test('the tiny model of the tests knows its words', () => {
  expect(readCheckpoint(tinyModel()).tokenize('Good FILM, xyz')).toEqual([2, 4, 7, 1, 1, 3]);
});

test('weights with and without the prefix "bert." are found', () => {
  const { weights } = readCheckpoint(tinyModel());
  expect(weights.get('embeddings.word_embeddings.weight')!.shape).toEqual([16, 8]);
  expect([...weights.keys()].some((name) => name.startsWith('bert.'))).toBe(false);
});

const broken = (name: string, content: string): ModelFiles =>
  new Map([...tinyModel(), [name, new TextEncoder().encode(content)]]);

test.each<[string, ModelFiles, RegExp]>([
  ['no files', new Map(), /has no config\.json; it has no files/],
  [
    'a missing file',
    new Map([...tinyModel()].filter(([name]) => name !== 'tokenizer.json')),
    /has no tokenizer\.json; it has config\.json/,
  ],
  ['a config that is no JSON', broken('config.json', '{'), /^config\.json: not valid JSON/],
  ['a tokenizer that is no JSON', broken('tokenizer.json', 'vocab'), /^tokenizer\.json: not valid JSON/],
  [
    'a tokenizer that is none',
    broken('tokenizer.json', '{}'),
    /tokenizer\.json: this tokenizer cannot be read/,
  ],
  ['weights that are none', broken('model.safetensors', 'PK'), /^model\.safetensors: /],
])('%s: refused by name', (_, files, message) => {
  expect(() => readCheckpoint(files)).toThrow(ModelError);
  expect(() => readCheckpoint(files)).toThrow(message);
});

test('a tokenizer with more tokens than the model has embeddings is refused when one appears', () => {
  const files = tinyModel();
  const tokenizer = new TextDecoder().decode(files.get('tokenizer.json')).replace('"actor":15', '"actor":16');
  const { tokenize } = readCheckpoint(broken('tokenizer.json', tokenizer));
  expect(tokenize('good')).toEqual([2, 4, 3]);
  expect(() => tokenize('actor')).toThrow(/token id 16 is outside the model's 16 embeddings/);
});

test('a missing weight and one of another shape are refused by name', async () => {
  const { ops } = await openCompute('cpu');
  const upload = (files: ModelFiles) => uploadEncoder(ops, readCheckpoint(files));
  const missing = tinyModel(1, (weights) => weights.delete('bert.encoder.layer.1.output.dense.bias'));
  expect(() => upload(missing)).toThrow(/tensor encoder\.layer\.1\.output\.dense\.bias is missing/);
  const turned = tinyModel(1, (weights) => {
    const weight = weights.get('bert.encoder.layer.0.intermediate.dense.weight')!;
    weights.set('bert.encoder.layer.0.intermediate.dense.weight', {
      ...weight,
      shape: weight.shape.toReversed(),
    });
  });
  expect(() => upload(turned)).toThrow(/has shape \[8, 12\], expected \[12, 8\]/);
});
