import { expect, test } from 'vitest';
import { suggestColumns } from './columns.ts';
import type { Table } from './table.ts';

const LABELS = ['negative', 'positive'];
const TASK = { labels: LABELS, textPair: false };
const PAIRS = { labels: LABELS, textPair: true };

function tableOf(columns: string[], rows: string[][]): Table {
  return {
    name: 'mine.csv',
    format: 'csv',
    columns,
    rows,
    places: rows.map((_, i) => i + 1),
    unreadable: [],
  };
}

test('by name', () => {
  const table = tableOf(['id', 'Sentence', 'Sentiment'], [['1', 'a', 'positive']]);
  expect(suggestColumns(table, TASK)).toEqual({ text: 'Sentence', textPair: null, label: 'Sentiment' });
});

test('by content, where no name fits', () => {
  const table = tableOf(
    ['column 1', 'column 2', 'column 3'],
    [
      ['x', 'a long text', 'positive'],
      ['y', 'another', '0'],
    ],
  );
  expect(suggestColumns(table, TASK)).toEqual({ text: 'column 2', textPair: null, label: 'column 3' });
});

test('no label column', () => {
  const table = tableOf(['text', 'stars'], [['fine', '5 of 5']]);
  expect(suggestColumns(table, TASK)).toEqual({ text: 'text', textPair: null, label: null });
});

test.each([
  ['sentence1', 'sentence2'],
  ['Premise', ' Hypothesis '],
  ['question1', 'question2'],
  ['question', 'answer'],
  ['question', 'sentence'],
  ['text', 'text_pair'],
  ['text_a', 'text_b'],
])('pairs by name: %s and %s, in any order of columns', (text, textPair) => {
  // A longer column that is neither
  const table = tableOf([textPair, 'notes', 'label', text], [['b', 'a very long note', 'positive', 'a']]);
  expect(suggestColumns(table, PAIRS)).toEqual({ text, textPair, label: 'label' });
});

test('a column of labels is no text, whatever its name (BoolQ)', () => {
  const rows = [
    ['is it so', 'it says that it is', 'yes'],
    ['was it', 'it was not', 'no'],
  ];
  const task = { labels: ['no', 'yes'], textPair: true };
  expect(suggestColumns(tableOf(['question', 'passage', 'answer'], rows), task)).toEqual({
    text: 'question',
    textPair: 'passage',
    label: 'answer',
  });
  // Of a pair of names whose second is the label the next pair, else the longest of the others
  expect(suggestColumns(tableOf(['question', 'story', 'answer'], rows), task)).toEqual({
    text: 'question',
    textPair: 'story',
    label: 'answer',
  });
  const swapped = rows.map(([first, second, label]) => [label!, first!, second!]);
  expect(suggestColumns(tableOf(['text', 'a', 'b'], swapped), { ...task, textPair: false })).toEqual({
    text: 'b',
    textPair: null,
    label: 'text',
  });
});

test('pairs by content: the two longest in the order of the file', () => {
  const table = tableOf(
    ['id', 'first', 'x', 'second', 'gold'],
    [['17', 'a short one', 'y', 'a text that is somewhat longer', 'negative']],
  );
  expect(suggestColumns(table, PAIRS)).toEqual({ text: 'first', textPair: 'second', label: 'gold' });
});

test('half a pair of names, or one text only, is no pair', () => {
  const half = tableOf(['premise', 'note', 'label'], [['a premise', 'x', 'positive']]);
  expect(suggestColumns(half, PAIRS)).toEqual({ text: 'premise', textPair: 'note', label: 'label' });
  const one = tableOf(['text', 'label'], [['a text', 'positive']]);
  expect(suggestColumns(one, PAIRS)).toEqual({ text: 'text', textPair: null, label: 'label' });
});
