import { describe, expect, test } from 'vitest';
import type { ModelFiles } from '../files/modelFiles.ts';
import { ModelError } from '../modelError.ts';
import {
  BERT,
  GOLDEN,
  ROBERTA,
  byteLevel,
  bytes,
  encode,
  json,
  text,
  tinyJson,
  tinyText,
  wordPiece,
} from '../testing/tinyTokenizers.ts';
import { openTokenizer } from './openTokenizer.ts';
import { tokenizerJsonOf } from './tokenizerFiles.ts';

describe('files', () => {
  test('vocab.txt and tokenizer.json of one model are the same tokenizer', () => {
    const texts = ['Café naïve — résumé', 'It’s [SEP] 你好 😀', '', 'x'.repeat(101)];
    const [a, b] = [openTokenizer(tinyJson(), BERT), openTokenizer(tinyText(), BERT)];
    for (const first of texts) {
      for (const second of [null, ...texts]) {
        expect(b.encode(first, second, 24)).toEqual(a.encode(first, second, 24));
      }
    }
    expect([a.kind, a.tokenCount]).toEqual(['wordpiece', b.tokenCount]);
  });

  test.each([
    ['tokenizer.json', tinyJson(), BERT],
    ['vocab.txt', tinyText(), BERT],
    ['vocab.json and merges.txt', byteLevel(), ROBERTA],
  ])('%s as tokenizer.json: the same ids, and of itself the same bytes', (_, files, config) => {
    const packed = new Map([['tokenizer.json', tokenizerJsonOf(files)]]);
    expect(tokenizerJsonOf(packed)).toEqual(packed.get('tokenizer.json'));
    for (const first of ['The FILM was good, naïve 😀 </s>', '']) {
      expect(encode(packed, config, first, 'a story')).toEqual(encode(files, config, first, 'a story'));
    }
  });

  test('what tokenizer_config.json says of case and spaces goes first, and into the packed file', () => {
    const files = wordPiece();
    files.set('tokenizer_config.json', json({ do_lower_case: false, tokenizer_class: 'BertTokenizer' }));
    expect(encode(files, BERT, 'BIG Big').ids).toEqual([2, 7, 1, 3]);
    const packed = new Map([['tokenizer.json', tokenizerJsonOf(files)]]);
    expect(encode(packed, BERT, 'BIG Big').ids).toEqual([2, 7, 1, 3]);
    files.set(
      'tokenizer_config.json',
      json({ do_lower_case: false, tokenizer_class: 'PreTrainedTokenizerFast' }),
    );
    expect(encode(files, BERT, 'BIG Big').ids).toEqual([2, 8, 8, 3]);
  });

  test('special tokens may have other names', () => {
    const files: ModelFiles = new Map([
      ['vocab.txt', text('<unk>\n<begin>\n<end>\ngood\n')],
      [
        'special_tokens_map.json',
        json({ unk_token: '<unk>', cls_token: '<s>', sep_token: { content: '<end>' } }),
      ],
      ['tokenizer_config.json', json({ cls_token: '<begin>' })],
    ]);
    expect(encode(files, BERT, 'good bad').ids).toEqual([1, 3, 0, 2]);
  });

  test('the lines of vocab.txt may end as on Windows', () => {
    const files: ModelFiles = new Map([['vocab.txt', text('[UNK]\r\n[CLS]\r\n[SEP]\r\ngood\r\n')]]);
    expect(encode(files, BERT, 'good').ids).toEqual([1, 3, 2]);
  });

  test('an older file without model.type, with merges as lines', () => {
    const files = new Map([['tokenizer.json', tokenizerJsonOf(byteLevel())]]);
    const file = JSON.parse(new TextDecoder().decode(files.get('tokenizer.json'))) as {
      model: { type?: string; merges: (string | string[])[] };
    };
    const expected = encode(files, ROBERTA, 'the film was good');
    file.model.merges = file.model.merges.map((merge) => (merge as string).split(' '));
    delete file.model.type;
    expect(encode(new Map([['tokenizer.json', json(file)]]), ROBERTA, 'the film was good')).toEqual(expected);
  });
});

const vocabJson = (change: (vocab: Record<string, unknown>) => void): ModelFiles => {
  const vocab = JSON.parse(new TextDecoder().decode(bytes(GOLDEN, 'vocab.json'))) as Record<string, unknown>;
  change(vocab);
  return byteLevel().set('vocab.json', json(vocab));
};

const hostile: [what: string, files: ModelFiles, message: RegExp][] = [
  ['nothing', new Map(), /no tokenizer: expected tokenizer\.json, or vocab\.txt.*it has no files/],
  ['no merges.txt', new Map([['vocab.json', bytes(GOLDEN, 'vocab.json')]]), /has no merges\.txt/],
  ['no JSON', new Map([['tokenizer.json', text('{')]]), /^tokenizer\.json: not valid JSON/],
  [
    'a list',
    new Map([['tokenizer.json', text('[]')]]),
    /^tokenizer\.json: the file is \[\], expected an object/,
  ],
  [
    'an empty object',
    new Map([['tokenizer.json', text('{}')]]),
    /^tokenizer\.json: model is missing, expected an object/,
  ],
  ['no UTF-8', new Map([['vocab.txt', Uint8Array.of(0xff, 0xfe)]]), /^vocab\.txt: not text in UTF-8/],
  [
    'a huge file',
    new Map([['tokenizer.json', new Uint8Array(64 * 2 ** 20 + 1)]]),
    /bytes, expected at most 67108864/,
  ],
  [
    'another model',
    wordPiece({ 'model.type': 'Unigram' }),
    /model\.type is "Unigram", expected WordPiece or BPE/,
  ],
  [
    'a vocabulary that is a list',
    wordPiece({ 'model.vocab': [] }),
    /model\.vocab is \[\], expected an object/,
  ],
  [
    'an empty vocabulary',
    wordPiece({ 'model.vocab': {} }),
    /model\.vocab is \{\}, expected at least one token/,
  ],
  [
    'an id that is a text',
    wordPiece({ 'model.vocab.good': '4' }),
    /model\.vocab\.good is "4", expected a token id, a whole number/,
  ],
  ['a negative id', wordPiece({ 'model.vocab.good': -1 }), /model\.vocab\.good is -1/],
  ['an enormous id', wordPiece({ 'model.vocab.good': 1e15 }), /model\.vocab\.good is 1000000000000000/],
  ['an id twice', wordPiece({ 'model.vocab.good': 5 }), /gives the id 5 to "good" and to "film"/],
  [
    'no unknown token',
    wordPiece({ 'model.unk_token': '<unk>' }),
    /model\.unk_token is "<unk>", expected a token of the vocabulary/,
  ],
  [
    'an added token at odds with the vocabulary',
    wordPiece({ 'added_tokens.0.id': 4 }),
    /added_tokens\[0\]\.id is 4, expected 3, the id of "\[SEP\]"/,
  ],
  [
    'an added token on the id of another',
    wordPiece({}, [{ id: 4, content: 'x' }]),
    /added_tokens\[1\]\.id is 4, expected another id: this one is that of "good"/,
  ],
  [
    'an added token of whole words',
    wordPiece({}, [{ id: 20, content: 'x', single_word: true }]),
    /added_tokens\[1\]\.single_word is true, expected false/,
  ],
  [
    'another normalizer',
    wordPiece({ normalizer: { type: 'Precompiled' } }),
    /normalizer\.type is "Precompiled", expected BertNormalizer/,
  ],
  [
    'another pre-tokenizer',
    wordPiece({ pre_tokenizer: { type: 'Whitespace' } }),
    /pre_tokenizer\.type is "Whitespace", expected BertPreTokenizer/,
  ],
  [
    'no post-processor',
    wordPiece({ post_processor: null }),
    /post_processor is null, expected a post-processor of type TemplateProcessing/,
  ],
  [
    'a special token outside the model',
    wordPiece({ 'post_processor.sep': ['[SEP]', 9000] }),
    /post_processor\.sep\[1\] is 9000, expected a token id of the model/,
  ],
  [
    'a template without the text',
    wordPiece({ post_processor: { type: 'TemplateProcessing', single: [] } }),
    /post_processor\.single is \[\], expected one place for the text, A/,
  ],
  [
    'a merge that is none',
    byteLevel().set('merges.txt', text('#version: 0.2\na b c\n')),
    /^merges\.txt: line 2 is "a b c", expected two tokens/,
  ],
  [
    'a merge without its token',
    byteLevel().set('merges.txt', text('x y\n')),
    /merges\[0\] needs the token "xy", expected it in the vocabulary/,
  ],
  [
    'a byte without a token',
    new Map([
      [
        'tokenizer.json',
        (() => {
          const file = JSON.parse(new TextDecoder().decode(tokenizerJsonOf(byteLevel()))) as {
            model: { unk_token: null; vocab: Record<string, number> };
          };
          file.model.unk_token = null;
          delete file.model.vocab['!'];
          return json(file);
        })(),
      ],
    ]),
    /expected a token for each byte, or model\.unk_token; it has none for byte 33/,
  ],
  [
    'no special token',
    vocabJson((vocab) => delete vocab['</s>']),
    /^vocab\.json: no token "<\/s>", expected the sep_token/,
  ],
  [
    'no special token in lines',
    new Map([['vocab.txt', text('[UNK]\n[CLS]\n')]]),
    /^vocab\.txt: no token "\[SEP\]", expected the sep_token/,
  ],
  [
    'options of a wrong type',
    tinyText().set('tokenizer_config.json', json({ do_lower_case: 'no' })),
    /^tokenizer_config\.json: do_lower_case is "no", expected true or false/,
  ],
  [
    'options that are a list',
    tinyText().set('tokenizer_config.json', text('[]')),
    /^tokenizer_config\.json: the file is \[\], expected an object/,
  ],
];

test.each(hostile)('%s: refused with the file, what was expected and what came', (_, files, message) => {
  const open = () => openTokenizer(files, BERT);
  expect(open).toThrow(ModelError);
  expect(open).toThrow(message);
});
