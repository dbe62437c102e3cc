import { expect, test } from 'vitest';
import { readCheckpoint } from './checkpoint.ts';
import type { ModelFiles } from './files/modelFiles.ts';
import { ModelError } from './modelError.ts';
import { tinyModel } from './testing/tinyModel.ts';

test('the tiny model of the tests knows its words', () => {
  expect([...readCheckpoint(tinyModel()).tokenizer.encode('Good FILM, xyz', null, 16).sequence.ids]).toEqual([
    2, 4, 7, 1, 1, 3,
  ]);
});

const broken = (name: string, content: string): ModelFiles =>
  new Map([...tinyModel(), [name, new TextEncoder().encode(content)]]);

test.each<[string, ModelFiles, RegExp]>([
  ['no files', new Map(), /has no config\.json; it has no files/],
  [
    'a missing file',
    new Map([...tinyModel()].filter(([name]) => name !== 'tokenizer.json')),
    /has no tokenizer: expected tokenizer\.json/,
  ],
  ['a config that is no JSON', broken('config.json', '{'), /^config\.json: not valid JSON/],
  ['a tokenizer that is no JSON', broken('tokenizer.json', 'vocab'), /^tokenizer\.json: not valid JSON/],
  ['a tokenizer that is none', broken('tokenizer.json', '{}'), /^tokenizer\.json: model is missing/],
  ['weights that are none', broken('model.safetensors', 'PK'), /^model\.safetensors: /],
])('%s: refused by name', (_, files, message) => {
  expect(() => readCheckpoint(files)).toThrow(ModelError);
  expect(() => readCheckpoint(files)).toThrow(message);
});

test('a missing weight and one of another shape are refused by name', () => {
  const missing = tinyModel(1, (weights) => weights.delete('bert.encoder.layer.1.output.dense.bias'));
  expect(() => readCheckpoint(missing)).toThrow(/no tensor bert\.encoder\.layer\.1\.output\.dense\.bias/);
  const turned = tinyModel(1, (weights) => {
    const weight = weights.get('bert.encoder.layer.0.intermediate.dense.weight')!;
    weights.set('bert.encoder.layer.0.intermediate.dense.weight', {
      ...weight,
      shape: weight.shape.toReversed(),
    });
  });
  expect(() => readCheckpoint(turned)).toThrow(/has shape \[8, 12\], expected \[12, 8\]/);
});
