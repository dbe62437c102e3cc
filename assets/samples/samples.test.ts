import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sampleFilesAccuracy } from './bagOfWords.ts';
import { createSampleFiles, toCsv, type Row } from './files.ts';
import { TOPICS, allOpinions } from './lexicon.ts';

const files = createSampleFiles();
const rows = files.flatMap((file) => file.rows);
const trainingWords = wordsOf(files.filter(({ name }) => name !== 'test.csv').flatMap((file) => file.rows));
const testWords = wordsOf(files.filter(({ name }) => name === 'test.csv').flatMap((file) => file.rows));

function wordsOf(some: readonly Row[]): Set<string> {
  return new Set(some.flatMap(({ text }) => text.toLowerCase().match(/[a-z]+/g) ?? []));
}

function positiveShare(name: string): number {
  const { rows: own } = files.find((file) => file.name === name) ?? { rows: [] };
  return own.filter(({ label }) => label === 'positive').length / own.length;
}

test.each(files)('$name is what the generator writes, byte for byte', ({ name, rows: own }) => {
  expect(readFileSync(join(import.meta.dirname, name), 'utf8')).toBe(toCsv(own));
});

test('the files have the sizes and the label mixes that the README states', () => {
  expect(files.map(({ name, rows: own }) => `${name} ${own.length}`)).toEqual([
    'contributor-1.csv 640',
    'contributor-2.csv 640',
    'contributor-3.csv 640',
    'sample-small.csv 40',
    'test.csv 300',
  ]);
  expect(files.map(({ name }) => positiveShare(name))).toEqual([0.7, 0.3, 0.5, 0.5, 0.5]);
});

test('no sentence occurs twice, in any file', () => {
  expect(new Set(rows.map(({ text }) => text.toLowerCase())).size).toBe(rows.length);
});

test('every sentence has 8 to 22 words', () => {
  const lengths = rows.map(({ text }) => text.split(' ').length);
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(8);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(22);
});

test('every word is a whole token of the tiny encoder', () => {
  const vocabulary = readFileSync(join(import.meta.dirname, '../models/tiny-encoder/vocab.txt'), 'utf8');
  const tokens = new Set(vocabulary.split('\n'));
  expect([...trainingWords, ...testWords].filter((word) => !tokens.has(word))).toEqual([]);
});

describe('words kept for the test', () => {
  const opinions = allOpinions().flatMap(({ positive, negative }) => [positive, negative]);
  const kept = new Set(opinions.flatMap((split) => split.testOnly));
  const shared = new Set(opinions.flatMap((split) => split.shared));

  test('40 to 50 % of the opinion words are', () => {
    const share = kept.size / (kept.size + shared.size);
    expect(share).toBeGreaterThanOrEqual(0.4);
    expect(share).toBeLessThanOrEqual(0.5);
  });

  test('none of them, opinion word or noun, occurs in a training file; the test file has them', () => {
    const nouns = TOPICS.flatMap((topic) =>
      topic.nouns.filter((noun) => noun.testOnly).map((noun) => noun.word),
    );
    const all = [...kept, ...nouns];
    expect(all.filter((word) => trainingWords.has(word))).toEqual([]);
    expect(all.filter((word) => testWords.has(word)).length).toBeGreaterThan(0.8 * all.length);
  });

  test('no opinion word stands for both labels', () => {
    const words = (polarity: 'positive' | 'negative'): string[] =>
      allOpinions().flatMap((opinion) => [...opinion[polarity].shared, ...opinion[polarity].testOnly]);
    expect(words('positive').filter((word) => words('negative').includes(word))).toEqual([]);
  });
});

test('counting words is not enough, and the README states how far it gets', () => {
  const { testAccuracy } = sampleFilesAccuracy();
  expect(testAccuracy).toBeGreaterThan(0.6);
  expect(testAccuracy).toBeLessThan(0.75);
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
  expect(readme).toContain(`**${(100 * testAccuracy).toFixed(1)} %**`);
});
