import { describe, expect, test } from 'vitest';
import { MINIMUM_ROWS, parseLabelledRows, selectRows } from './labelledRows.ts';
import type { Table } from './table.ts';
import { readTable } from './table.ts';

const LABELS = ['negative', 'positive'];
const TASK = { labels: LABELS, textPair: false };
const PAIRS = { labels: LABELS, textPair: true };

function tableOf(columns: string[], rows: string[][], unreadable: number[] = []): Table {
  const places = Array.from({ length: rows.length + unreadable.length }, (_, i) => i + 1);
  return {
    name: 'mine.csv',
    format: 'csv',
    columns,
    rows,
    places: places.filter((place) => !unreadable.includes(place)),
    unreadable,
  };
}

const goodRows = (count: number) => Array.from({ length: count }, (_, i) => [`text ${i}`, LABELS[i % 2]!]);
const columns = { text: 'text', textPair: null, label: 'label' };

describe('selectRows', () => {
  test('looks at the first so many rows of the file, usable or not, and says how many are left out', () => {
    const rows = Array.from({ length: 12 }, (_, i) => [i === 1 ? '' : `text ${i}`, 'negative']);
    const table = tableOf(['text', 'label'], rows);
    const columns = { text: 'text', textPair: null, label: 'label' };
    const task = { ...TASK, labels: ['negative', 'positive'] };
    const selection = selectRows(table, columns, task, 9);
    expect(selection.rows.map(({ text }) => text)).toEqual([0, 2, 3, 4, 5, 6, 7, 8].map((i) => `text ${i}`));
    expect(selection.skipped).toEqual([
      { reason: 'no text', count: 1, firstRows: [2] },
      { reason: 'this run takes the first 9 rows of a file only', count: 3, firstRows: [10, 11, 12] },
    ]);
    expect(selectRows(table, columns, task, 12).skipped).toHaveLength(1);
    // A run that takes fewer than are needed otherwise takes them
    expect(selectRows(tableOf(['text', 'label'], goodRows(5)), columns, task, 3).rows).toHaveLength(3);
    expect(() => selectRows(table, columns, task, 8)).toThrow(
      'Only 7 of 12 rows can be used; at least 8 are needed. This run takes the first 8 rows of a file only: put rows there that can be used, or check the chosen columns.',
    );
  });

  test.each([
    ['its text', (i: number) => `${i},,positive`],
    ['its label', (i: number) => `${i},text ${i},`],
    ['all its cells', () => ',,'],
    ['the whole line', () => ''],
    ['all but a part that cannot be read', () => '7'],
  ])('a row left empty (%s) changes no other row that is taken', (_, emptied) => {
    const lines = Array.from({ length: 30 }, (__, i) => `${i},text ${i},positive`);
    const taken = (rows: string[]) => {
      const bytes = new TextEncoder().encode(['id,text,label', ...rows].join('\n'));
      return selectRows(readTable(bytes, 'mine.csv', LABELS), columns, TASK, 20).rows;
    };
    const before = taken(lines);
    expect(before).toHaveLength(20);
    for (const at of lines.keys()) {
      const after = taken(lines.with(at, emptied(at)));
      expect(after).toEqual(before.filter(({ text }) => text !== `text ${at}`));
    }
  });

  test('a line of JSON left empty changes no other row that is taken', () => {
    const lines = Array.from({ length: 30 }, (_, i) => JSON.stringify({ text: `text ${i}`, label: 1 }));
    const taken = (rows: string[]) =>
      selectRows(
        readTable(new TextEncoder().encode(rows.join('\n')), 'mine.jsonl', LABELS),
        columns,
        TASK,
        20,
      ).rows.map(({ text }) => text);
    const before = taken(lines);
    expect(before).toHaveLength(20);
    for (const at of lines.keys()) {
      // Of the first line the file is known as JSON
      for (const emptied of ['', '{}', 'not JSON'].slice(0, at === 0 ? 1 : 3)) {
        expect(taken(lines.with(at, emptied))).toEqual(before.filter((text) => text !== `text ${at}`));
      }
    }
  });

  test('texts are trimmed, labels compared without case and space', () => {
    const rows = [...goodRows(7), ['  padded\t', ' POSITIVE ']];
    const selection = selectRows(tableOf(['text', 'label'], rows), columns, TASK);
    expect(selection.skipped).toEqual([]);
    expect(selection.rows.length).toBe(8);
    expect(selection.rows[1]).toEqual({ text: 'text 1', textPair: null, label: 1 });
    expect(selection.rows[7]).toEqual({ text: 'padded', textPair: null, label: 1 });
  });

  test('a label may be its index; not where a label is itself a number', () => {
    const rows = goodRows(8).map(([text], i) => [text!, String(i % 2)]);
    expect(selectRows(tableOf(['text', 'label'], rows), columns, TASK).rows.map((row) => row.label)).toEqual([
      0, 1, 0, 1, 0, 1, 0, 1,
    ]);
    // With the labels "1" and "0" the cell "1" is the name of the first, never the index of the second
    expect(
      selectRows(tableOf(['text', 'label'], rows), columns, { ...TASK, labels: ['1', '0'] }).rows[1]!.label,
    ).toBe(0);
    expect(() =>
      selectRows(tableOf(['text', 'label'], rows), columns, { ...TASK, labels: ['5', 'many'] }),
    ).toThrow(/Found: "0", "1"/);
  });

  test.each(['2', '-1', '1.0', '01x', ''])('%j is no index of two labels', (cell) => {
    const rows = [...goodRows(8), ['text', cell]];
    expect(selectRows(tableOf(['text', 'label'], rows), columns, TASK).skipped).toEqual([
      { reason: 'label is none of: negative, positive', count: 1, firstRows: [9] },
    ]);
  });

  test('good rows are kept; skipped ones are counted by reason with their numbers in the file', () => {
    // In the file: rows 2 and 5 could not be read, 3 has no text, 6 and 8 to 13 another label
    const rows = [
      ['a', 'positive'], // 1
      ['   ', 'positive'], // 3
      ['b', 'negative'], // 4
      ['c', 'mixed'], // 6
      ...goodRows(1), // 7
      ...Array.from({ length: 6 }, () => ['d', 'neutral']), // 8 to 13
      ...goodRows(8), // 14 to 21
    ];
    const selection = selectRows(tableOf(['text', 'label'], rows, [2, 5]), columns, TASK);
    expect(selection.rows.length).toBe(11);
    expect(selection.skipped).toEqual([
      { reason: 'not as many cells as the header, or not valid JSON', count: 2, firstRows: [2, 5] },
      { reason: 'no text', count: 1, firstRows: [3] },
      { reason: 'label is none of: negative, positive', count: 7, firstRows: [6, 8, 9, 10, 11] },
    ]);
  });

  test('a column that is not there is refused with those that are', () => {
    const table = tableOf(['review', 'label'], goodRows(8));
    expect(() => selectRows(table, columns, TASK)).toThrow(
      expect.objectContaining({
        code: 'DATA_NO_SUCH_COLUMN',
        message: 'mine.csv has no column "text"; it has: review, label.',
      }) as Error,
    );
  });

  test('labels that are all unknown are refused with what was found', () => {
    const rows = goodRows(10).map(([text], i) => [text!, i % 2 === 0 ? 'spam' : 'x'.repeat(60)]);
    expect(() => selectRows(tableOf(['text', 'label'], rows), columns, TASK)).toThrow(
      expect.objectContaining({
        code: 'DATA_UNKNOWN_LABELS',
        message: `No row of column "label" has a label of this task (negative, positive). Found: "spam", "${'x'.repeat(40)}". Choose another label column, or rename the labels in the file.`,
      }) as Error,
    );
  });

  test('fewer rows than the minimum are refused; the minimum is enough', () => {
    const rows = [...goodRows(MINIMUM_ROWS - 1), ['', 'positive']];
    expect(() => selectRows(tableOf(['text', 'label'], rows, [9]), columns, TASK)).toThrow(
      expect.objectContaining({
        code: 'DATA_TOO_FEW_ROWS',
        message: expect.stringMatching(/^Only 7 of 9 rows can be used; at least 8 are needed/) as string,
      }) as Error,
    );
    expect(selectRows(tableOf(['text', 'label'], goodRows(MINIMUM_ROWS)), columns, TASK).rows.length).toBe(8);
  });
});

describe('pairs', () => {
  const pairColumns = { text: 'premise', textPair: 'hypothesis', label: 'label' };
  const pairs = (count: number) =>
    Array.from({ length: count }, (_, i) => [`premise ${i}`, ` hypothesis ${i}\t`, LABELS[i % 2]!]);
  const header = ['premise', 'hypothesis', 'label'];

  test('both texts are taken and trimmed', () => {
    const { rows, skipped } = selectRows(tableOf(header, pairs(8)), pairColumns, PAIRS);
    expect(rows[3]).toEqual({ text: 'premise 3', textPair: 'hypothesis 3', label: 1 });
    expect([rows.length, skipped]).toEqual([8, []]);
  });

  test('rows that lack one of the texts are skipped with the reason', () => {
    const rows = [['a', ' ', 'positive'], ...pairs(8), ['', 'b', 'negative'], ['', '', 'negative']];
    const selection = selectRows(tableOf(header, rows), pairColumns, PAIRS);
    expect(selection.rows.length).toBe(8);
    expect(selection.skipped).toEqual([
      { reason: 'no second text', count: 1, firstRows: [1] },
      { reason: 'no first text', count: 2, firstRows: [10, 11] },
    ]);
  });

  test.each<[string, typeof PAIRS, string | null, RegExp]>([
    ['no second column', PAIRS, null, /reads two texts of each row\. Choose the column of the second text/],
    ['one text twice', PAIRS, 'premise', /Both texts are column "premise"/],
    ['a second column of a run that reads one', TASK, 'hypothesis', /"hypothesis" would not be used/],
    [
      'a second column that is not there',
      PAIRS,
      'answer',
      /mine\.csv has no column "answer"; it has: premise/,
    ],
  ])('%s: refused', (_, task, textPair, message) => {
    expect(() => selectRows(tableOf(header, pairs(8)), { ...pairColumns, textPair }, task)).toThrow(
      expect.objectContaining({
        code: 'DATA_NO_SUCH_COLUMN',
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });

  test.each<[string, typeof PAIRS, typeof pairColumns | typeof columns]>([
    ['the first text', PAIRS, { ...pairColumns, text: 'label' }],
    ['the second text', PAIRS, { ...pairColumns, textPair: 'label' }],
    ['the only text', TASK, { ...columns, text: 'label' }],
  ])('the label as %s: refused', (_, task, chosen) => {
    expect(() => selectRows(tableOf(header, pairs(8)), chosen, task)).toThrow(
      expect.objectContaining({
        code: 'DATA_NO_SUCH_COLUMN',
        message: expect.stringMatching(/^Column "label" is chosen as text and as label/) as string,
      }) as Error,
    );
  });

  test('a file is read with guessed or chosen columns', () => {
    const lines = [
      'id\tquestion\tsentence\tlabel',
      ...pairs(8).map((row, i) => [i, row[0], row[1]!.trim(), row[2]].join('\t')),
    ];
    const bytes = new TextEncoder().encode(lines.join('\n'));
    expect(parseLabelledRows(bytes, 'dev.tsv', PAIRS).rows[1]).toEqual({
      text: 'premise 1',
      textPair: 'hypothesis 1',
      label: 1,
    });
    expect(parseLabelledRows(bytes, 'dev.tsv', PAIRS, { text: 'sentence', textPair: 'id' }).rows[1]).toEqual({
      text: 'hypothesis 1',
      textPair: '1',
      label: 1,
    });
    const single = new TextEncoder().encode(
      ['text\tlabel', ...goodRows(8).map((row) => row.join('\t'))].join('\n'),
    );
    expect(() => parseLabelledRows(single, 'dev.tsv', PAIRS)).toThrow(
      /none looks like a second text\. Name it "text_b" in the header/,
    );
  });
});

describe('parseLabelledRows', () => {
  const file = (header: string, rows: string[][]) =>
    new TextEncoder().encode([header, ...rows.map((row) => row.join('\t'))].join('\n'));

  test('reads a file with guessed or chosen columns', () => {
    const bytes = file(
      'sentence\tlabel\tother',
      goodRows(8).map((row) => [...row, 'x']),
    );
    expect(parseLabelledRows(bytes, 'dev.tsv', TASK).rows[0]).toEqual({
      text: 'text 0',
      textPair: null,
      label: 0,
    });
    expect(parseLabelledRows(bytes, 'dev.tsv', TASK, { text: 'other' }).rows[0]).toEqual({
      text: 'x',
      textPair: null,
      label: 0,
    });
    expect(() => parseLabelledRows(bytes, 'dev.tsv', TASK, { label: 'nope' })).toThrow(
      /has no column "nope"/,
    );
  });

  test('says which column it misses', () => {
    const bytes = file(
      'text\tstars',
      goodRows(8).map(([text]) => [text!, '5 of 5']),
    );
    expect(() => parseLabelledRows(bytes, 'dev.tsv', TASK)).toThrow(
      expect.objectContaining({
        code: 'DATA_NO_SUCH_COLUMN',
        message:
          'dev.tsv has the columns text, stars; none looks like a label. Name it "label" in the header.',
      }) as Error,
    );
  });
});
