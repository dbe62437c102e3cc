import { describe, expect, test } from 'vitest';
import {
  BERT,
  DISTILBERT,
  ROBERTA,
  byteLevel,
  encode,
  tinyJson,
  tinyText,
  wordPiece,
} from '../testing/tinyTokenizers.ts';
import { openTokenizer } from './openTokenizer.ts';
import { tokenizerJsonOf } from './tokenizerFiles.ts';

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
