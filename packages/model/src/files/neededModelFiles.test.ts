import { expect, test } from 'vitest';
import { ModelError } from '../modelError.ts';
import { neededModelFiles } from './neededModelFiles.ts';

test('of a hub repository: one file of weights, the tokenizer, nothing from folders', () => {
  const names = [
    '.gitattributes',
    'README.md',
    '1_Pooling/config.json',
    'onnx/model.onnx',
    'openvino/model.safetensors',
    'config.json',
    'model.safetensors',
    'pytorch_model.bin',
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'vocab.txt',
  ];
  expect(neededModelFiles(names)).toEqual([
    'config.json',
    'model.safetensors',
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
});

test('an index and all its shards; the tokenizers of before', () => {
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const index = 'model.safetensors.index.json';
  expect(neededModelFiles(['config.json', ...shards, index, 'vocab.txt'])).toEqual([
    'config.json',
    ...shards,
    index,
    'vocab.txt',
  ]);
  expect(
    neededModelFiles(['config.json', 'model.safetensors', ...shards, index, 'vocab.json', 'merges.txt']),
  ).toEqual(['config.json', 'merges.txt', 'model.safetensors', 'vocab.json']);
});

test.each<[string[], RegExp]>([
  [[], /no config\.json; it has no files/],
  [['sub/config.json'], /no config\.json; it has sub\/config\.json/],
  [
    ['config.json', 'pytorch_model.bin', 'vocab.txt'],
    /weights only as PyTorch pickles; save it as model\.safetensors/,
  ],
  [
    ['config.json', 'pytorch_model-00001-of-00002.bin', 'tf_model.h5'],
    /only as PyTorch pickles, TensorFlow;/,
  ],
  [['config.json', 'flax_model.msgpack'], /only as Flax/],
  [['config.json', 'model.Q4.gguf'], /only as GGUF/],
  [['config.json', 'model.onnx'], /only as ONNX/],
  [['config.json', 'vocab.txt'], /no model\.safetensors; it has config\.json, vocab\.txt/],
  [['config.json', 'onnx/model.safetensors'], /no model\.safetensors; it has config\.json$/],
  [
    ['config.json', 'model.safetensors.index.json'],
    /has model\.safetensors\.index\.json but none of its weight files/,
  ],
  [['config.json', 'model-00001-of-00001.safetensors'], /but no model\.safetensors\.index\.json/],
  [
    [
      'config.json',
      'model.safetensors.index.json',
      'model-00001-of-00003.safetensors',
      'model-00003-of-00003.safetensors',
    ],
    /has 2 of its 3 weight files/,
  ],
  [
    [
      'config.json',
      'model.safetensors.index.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00003.safetensors',
    ],
    /has 2 of its 2 or 3 weight files/,
  ],
  [['config.json', 'model.safetensors'], /no tokenizer: expected tokenizer\.json, or vocab\.txt/],
  [['config.json', 'model.safetensors', 'vocab.json'], /no tokenizer/],
  [['config.json', 'model.safetensors', 'sentencepiece.bpe.model'], /SentencePiece tokenizer only/],
])('%j: what is missing is named', (names, message) => {
  expect(() => neededModelFiles(names)).toThrow(ModelError);
  expect(() => neededModelFiles(names)).toThrow(message);
});
