import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ModelFiles } from '../files/modelFiles.ts';
import { ModelError } from '../modelError.ts';
import { openTokenizer } from './openTokenizer.ts';
import { tokenizerJsonOf } from './tokenizerFiles.ts';

const GOLDEN = resolve(import.meta.dirname, 'golden');
const TINY = resolve(import.meta.dirname, '../../../../assets/models/tiny-encoder');
const bytes = (...path: string[]) => new Uint8Array(readFileSync(resolve(...path)));
const text = (value: string) => new TextEncoder().encode(value);
const json = (value: unknown) => text(JSON.stringify(value));

const BERT = { architecture: 'bert', vocabSize: 8000, tokenTypes: 2 } as const;
const DISTILBERT = { architecture: 'distilbert', vocabSize: 8000, tokenTypes: 0 } as const;
const ROBERTA = { architecture: 'roberta', vocabSize: 380, tokenTypes: 1 } as const;

const tinyJson = (): ModelFiles => new Map([['tokenizer.json', bytes(TINY, 'tokenizer.json')]]);
const tinyText = (): ModelFiles => new Map([['vocab.txt', bytes(TINY, 'vocab.txt')]]);
const byteLevel = (): ModelFiles =>
  new Map([
    ['vocab.json', bytes(GOLDEN, 'vocab.json')],
    ['merges.txt', bytes(GOLDEN, 'merges.txt')],
  ]);

/**
 * A small WordPiece tokenizer.json.
 * @param changes by place, like `model.vocab.good`
 * @param added tokens beside the vocabulary's [SEP]
 */
function wordPiece(changes: Record<string, unknown> = {}, added: object[] = []): ModelFiles {
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

const encode = (
  files: ModelFiles,
  config: Parameters<typeof openTokenizer>[1],
  ...[first, second = null, maxTokens = 64]: [first: string, second?: string | null, maxTokens?: number]
) => {
  const { sequence, cut } = openTokenizer(files, config).encode(first, second, maxTokens);
  return { ids: [...sequence.ids], typeIds: [...sequence.typeIds], cut };
};

describe('special tokens and types', () => {
  test('BERT: [CLS] A [SEP] B [SEP], the second text of type 1', () => {
    expect(encode(tinyJson(), BERT, 'a story', 'the plot')).toEqual({
      ids: [2, 70, 1714, 3, 102, 374, 260, 3],
      typeIds: [0, 0, 0, 0, 1, 1, 1, 1],
      cut: false,
    });
    expect(encode(tinyJson(), BERT, 'a story').typeIds).toEqual([0, 0, 0, 0]);
  });

  test('DistilBERT: the same tokens, all of type 0', () => {
    const { ids, typeIds } = encode(tinyText(), DISTILBERT, 'a story', 'the plot');
    expect(ids).toEqual([2, 70, 1714, 3, 102, 374, 260, 3]);
    expect(new Set(typeIds)).toEqual(new Set([0]));
  });

  test('RoBERTa: <s> A </s></s> B </s>, all of type 0', () => {
    const single = encode(byteLevel(), ROBERTA, 'the film').ids;
    const second = encode(byteLevel(), ROBERTA, 'a story').ids;
    expect([single[0], single.at(-1)]).toEqual([0, 2]);
    const pair = encode(byteLevel(), ROBERTA, 'the film', 'a story');
    expect(pair.ids).toEqual([...single, 2, ...second.slice(1)]);
    expect(new Set(pair.typeIds)).toEqual(new Set([0]));
  });

  test('RoBERTa gives no token types even where its table and its template have two', () => {
    const twoTypes = { ...ROBERTA, vocabSize: 8000, tokenTypes: 2 } as const;
    expect(encode(tinyJson(), twoTypes, 'a story', 'the plot').typeIds).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test('a second text that is empty still has its place', () => {
    expect(encode(wordPiece(), BERT, 'good', '')).toMatchObject({ ids: [2, 4, 3, 3], typeIds: [0, 0, 0, 1] });
    expect(encode(wordPiece(), BERT, '', '').ids).toEqual([2, 3, 3]);
    expect(encode(wordPiece(), BERT, '').ids).toEqual([2, 3]);
  });

  test('special tokens that somebody writes are text', () => {
    expect(encode(wordPiece(), BERT, '[SEP] good').ids).toEqual([2, 10, 1, 1, 4, 3]);
    const written = encode(byteLevel(), ROBERTA, '</s>good<s><pad><mask>').ids;
    expect(written.slice(1, -1).filter((id) => id < 5)).toEqual([]);
  });

  test('added tokens that are not special are found in texts, the longest first', () => {
    const files = wordPiece({}, [
      { id: 11, content: 'o-d', special: false, normalized: false },
      { id: 12, content: 'o-d.', special: false, normalized: false },
      { id: 13, content: 'BIG F', special: false, normalized: true },
    ]);
    expect(encode(files, BERT, 'good o-d.film O-D xo-dx').ids).toEqual([2, 4, 12, 5, 1, 1, 1, 1, 11, 1, 3]);
    expect(encode(files, BERT, 'Big film').ids).toEqual([2, 13, 1, 3]);
  });
});

describe('cutting', () => {
  test('a text loses its end and keeps its special tokens', () => {
    expect(encode(wordPiece(), BERT, 'good good film films', null, 7)).toMatchObject({
      ids: [2, 4, 4, 5, 5, 6, 3],
      cut: false,
    });
    expect(encode(wordPiece(), BERT, 'good good film films', null, 5)).toMatchObject({
      ids: [2, 4, 4, 5, 3],
      cut: true,
    });
    expect(encode(wordPiece(), BERT, 'good', null, 2)).toMatchObject({ ids: [2, 3], cut: true });
    expect(() => encode(wordPiece(), BERT, 'good', null, 1)).toThrow(RangeError);
  });

  test('of a pair the longer text is cut first, then both in turns', () => {
    const long = 'good '.repeat(20);
    expect(encode(wordPiece(), BERT, long, 'film film', 9)).toEqual({
      ids: [2, 4, 4, 4, 4, 3, 5, 5, 3],
      typeIds: [0, 0, 0, 0, 0, 0, 1, 1, 1],
      cut: true,
    });
    expect(encode(wordPiece(), BERT, 'film film', long, 9)).toMatchObject({
      ids: [2, 5, 5, 3, 4, 4, 4, 4, 3],
      cut: true,
    });
    expect(encode(wordPiece(), BERT, long, 'film '.repeat(9), 10).ids).toEqual([
      2, 4, 4, 4, 4, 3, 5, 5, 5, 3,
    ]);
    expect(encode(wordPiece(), BERT, long, long, 3).ids).toEqual([2, 3, 3]);
  });

  test('a very long text is not read to its end', () => {
    const fiveTokens = { ...BERT, vocabSize: 5 };
    const long = `${'good '.repeat(12)} film`; // "film" is outside the embeddings
    expect(encode(wordPiece(), fiveTokens, long, null, 13)).toMatchObject({ cut: true });
    expect(() => encode(wordPiece(), fiveTokens, long, null, 14)).toThrow(/token id 5/);
  });

  test('truncation and padding that stand in the file are ignored', () => {
    const files = wordPiece({
      truncation: { max_length: 3, strategy: 'LongestFirst', stride: 0 },
      padding: { strategy: { Fixed: 12 }, pad_id: 0, pad_token: '[PAD]' },
    });
    expect(encode(files, BERT, 'good good film')).toMatchObject({ ids: [2, 4, 4, 5, 3], cut: false });
    const packed = JSON.parse(new TextDecoder().decode(tokenizerJsonOf(files))) as object;
    expect(packed).toMatchObject({ truncation: null, padding: null });
  });
});

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

test('a token outside the embeddings is refused when it appears', () => {
  const tokenizer = openTokenizer(wordPiece(), { ...BERT, vocabSize: 5 });
  expect([...tokenizer.encode('good', null, 8).sequence.ids]).toEqual([2, 4, 3]);
  expect(() => tokenizer.encode('film', null, 8)).toThrow(/token id 5 is outside the model's 5 embeddings/);
});

test('a tokenizer without a form for pairs says so when one comes, and a type the model lacks at once', () => {
  const template = (typeId: number, pair: unknown[]) => ({
    type: 'TemplateProcessing',
    single: [{ Sequence: { id: 'A', type_id: typeId } }],
    pair,
    special_tokens: {},
  });
  const files = wordPiece({ post_processor: template(0, []) });
  expect(encode(files, BERT, 'good').ids).toEqual([4]);
  expect(() => encode(files, BERT, 'good', 'film')).toThrow(/post_processor has no form for pairs/);
  const typed = wordPiece({ post_processor: template(2, []) });
  expect(() => openTokenizer(typed, BERT)).toThrow(/token type 2, expected one of the model's 2/);
});
