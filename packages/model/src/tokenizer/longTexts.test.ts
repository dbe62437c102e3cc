import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bertWords } from './bertText.ts';
import { byteLevelWords } from './byteLevelText.ts';
import { openTokenizer } from './openTokenizer.ts';

const GOLDEN = resolve(import.meta.dirname, 'golden');
const TINY = resolve(import.meta.dirname, '../../../../assets/models/tiny-encoder');
const bytes = (...path: string[]) => new Uint8Array(readFileSync(resolve(...path)));

const wordPiece = openTokenizer(new Map([['tokenizer.json', bytes(TINY, 'tokenizer.json')]]), {
  architecture: 'bert',
  vocabSize: 8000,
  tokenTypes: 2,
});
const bytePairs = openTokenizer(
  new Map(['vocab.json', 'merges.txt'].map((name) => [name, bytes(GOLDEN, name)])),
  { architecture: 'roberta', vocabSize: 380, tokenTypes: 1 },
);

// Without a space in front, and so of bytes that stand for themselves
const longestToken = Object.keys(
  JSON.parse(readFileSync(resolve(GOLDEN, 'vocab.json'), 'utf8')) as Record<string, number>,
)
  .filter((token) => /^[a-z]+$/.test(token))
  .reduce((longest, token) => (token.length > longest.length ? token : longest));

const repeated: [name: string, piece: string][] = [
  ['the longest token there is', longestToken],
  ['letters', 'the film was good'.replaceAll(' ', '')],
  ['one letter', 'o'],
  ['spaces', ' '],
  ['ideographs', '你好'],
  ['emoji', '😀'],
  ['punctuation', '!?'],
  ['control characters', '\u0001'],
];

test.each(repeated)('the first tokens of a long word of %s are those of the whole word', (_, piece) => {
  // With 5,000 tokens to fill all of it is read: the longest token of this vocabulary has 13 bytes
  const word = piece.repeat(Math.floor(30_000 / new TextEncoder().encode(piece).length));
  const whole = bytePairs.encode(word, null, 5_000).sequence.ids;
  for (const maxTokens of [3, 4, 17, 128]) {
    const { sequence, cut } = bytePairs.encode(word, null, maxTokens);
    expect(sequence.ids).toHaveLength(maxTokens);
    expect([...sequence.ids].slice(0, -1)).toEqual([...whole].slice(0, maxTokens - 1));
    expect(cut).toBe(true);
  }
});

test('a word over the longest WordPiece takes is unknown, in characters and not in units', () => {
  const idsOf = (text: string) => [...wordPiece.encode(text, null, 500).sequence.ids].slice(1, -1);
  const [unknown] = idsOf('x'.repeat(1_000));
  expect(idsOf('x'.repeat(100))).not.toEqual([unknown]);
  for (const count of [101, 102, 203, 100_000]) expect(idsOf(`${'x'.repeat(count)} film`)).toHaveLength(2);
  // 100 letters outside the basic plane: 200 units, still looked up; their own tokens are unknown
  for (const count of [100, 101, 102, 1_000]) expect(idsOf('𝒳'.repeat(count))).toEqual([unknown]);
});

describe('words are cut to what is asked for', () => {
  test('in bytes, half characters included', () => {
    expect([...byteLevelWords('aaaa bbbb', false, 3)]).toEqual(['aaa', 'Ġbb']);
    const whole = [...byteLevelWords('😀😀', false)].join('');
    for (let longest = 1; longest <= whole.length; longest++) {
      expect([...byteLevelWords('😀😀', false, longest)][0]).toBe(
        [...byteLevelWords('😀😀', false)][0]!.slice(0, longest),
      );
    }
  });

  test('in units', () => {
    expect([...bertWords('aaaa, bbbb', 3)]).toEqual(['aaa', ',', 'bbb']);
  });
});

test.each(repeated)('a megabyte of %s takes no seconds', (_, piece) => {
  const text = piece.repeat(Math.floor(1e6 / piece.length));
  for (const tokenizer of [wordPiece, bytePairs]) {
    const start = performance.now();
    tokenizer.encode(text, text, 512);
    // Measured under 0.2 s; whole words took 0.5 to 6 s for each text
    expect(performance.now() - start).toBeLessThan(3_000);
  }
});
