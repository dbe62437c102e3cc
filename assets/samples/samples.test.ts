import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sampleFilesAccuracy } from './bagOfWords.ts';
import { createSampleFiles, toCsv, type Row } from './files.ts';
import { LEXICONS, TOPICS, topicWords, type Topic } from './lexicon.ts';

const files = createSampleFiles();
const rows = files.flatMap((file) => file.rows);
const trainingWords = wordsOf(files.filter(({ name }) => name !== 'test.csv').flatMap((file) => file.rows));
const testWords = wordsOf(files.filter(({ name }) => name === 'test.csv').flatMap((file) => file.rows));

function wordsOf(some: readonly Row[]): Set<string> {
  return new Set(some.flatMap(({ text }) => text.toLowerCase().match(/[a-z]+/g) ?? []));
}

function healthShare(name: string): number {
  const { rows: own } = files.find((file) => file.name === name) ?? { rows: [] };
  return own.filter(({ label }) => label === 'health').length / own.length;
}

test.each(files)('$name is what the generator writes, byte for byte', ({ name, rows: own }) => {
  expect(readFileSync(join(import.meta.dirname, name), 'utf8')).toBe(toCsv(own));
});

test('the files have the sizes and the label mixes that the README states', () => {
  expect(files.map(({ name, rows: own }) => `${name} ${own.length}`)).toEqual([
    'contributor-1.csv 1200',
    'contributor-2.csv 1200',
    'contributor-3.csv 1200',
    'sample-small.csv 40',
    'test.csv 300',
  ]);
  expect(files.map(({ name }) => healthShare(name))).toEqual([0.7, 0.3, 0.5, 0.5, 0.5]);
});

test('no note occurs twice, in any file', () => {
  expect(new Set(rows.map(({ text }) => text.toLowerCase())).size).toBe(rows.length);
});

test('every note has 8 to 20 words', () => {
  const lengths = rows.map(({ text }) => text.split(' ').length);
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(8);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(20);
});

test('every word is a whole token of the tiny encoder', () => {
  const vocabulary = readFileSync(join(import.meta.dirname, '../models/tiny-encoder/vocab.txt'), 'utf8');
  const tokens = new Set(vocabulary.split('\n'));
  expect([...trainingWords, ...testWords].filter((word) => !tokens.has(word))).toEqual([]);
});

/** How many different words of `topic` a note names. */
function named(topic: Topic, { text }: Row): number {
  const all = new Set([...topicWords(topic, 'shared'), ...topicWords(topic, 'testOnly')]);
  return [...wordsOf([{ text, label: topic }])].filter((word) => all.has(word)).length;
}

test('every note names more words of its own topic than of the other; a fifth to a third name both', () => {
  const counts = rows.map((row) => ({
    own: named(row.label, row),
    other: named(row.label === 'health' ? 'money' : 'health', row),
  }));
  expect(counts.filter(({ own, other }) => own <= other)).toEqual([]);
  const both = counts.filter(({ other }) => other > 0).length / counts.length;
  expect(both).toBeGreaterThan(0.2);
  expect(both).toBeLessThan(0.33);
});

describe('words kept for the test', () => {
  const kept = TOPICS.flatMap((topic) => topicWords(topic, 'testOnly'));
  const shared = TOPICS.flatMap((topic) => topicWords(topic, 'shared'));

  test('50 to 60 % of the topic words are', () => {
    const share = kept.length / (kept.length + shared.length);
    expect(share).toBeGreaterThanOrEqual(0.5);
    expect(share).toBeLessThanOrEqual(0.6);
  });

  test('none of them occurs in a training file; the test file has them', () => {
    expect(kept.filter((word) => trainingWords.has(word))).toEqual([]);
    expect(kept.filter((word) => testWords.has(word)).length).toBeGreaterThan(0.8 * kept.length);
  });

  test('no word stands for both topics, or is kept and shared at once', () => {
    expect(new Set([...kept, ...shared]).size).toBe(kept.length + shared.length);
  });

  test('training has words for every place in a sentence', () => {
    const lists = TOPICS.flatMap((topic) =>
      Object.values(LEXICONS[topic]).map((split) => split.shared.length),
    );
    expect(Math.min(...lists)).toBeGreaterThan(0);
  });
});

test('counting words is not enough, and the README states how far it gets', () => {
  const { testAccuracy } = sampleFilesAccuracy();
  expect(testAccuracy).toBeGreaterThan(0.6);
  expect(testAccuracy).toBeLessThan(0.75);
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
  expect(readme).toContain(`**${(100 * testAccuracy).toFixed(1)} %**`);
});
