import { describe, expect, test } from 'vitest';
import { MINIMUM_ROWS, parseLabelledRows, selectRows, suggestColumns } from './labelledRows.ts';
import type { Table } from './table.ts';

const LABELS = ['negative', 'positive'];

function tableOf(columns: string[], rows: string[][], unreadable: number[] = []): Table {
  return { name: 'mine.csv', format: 'csv', columns, rows, unreadable };
}

const goodRows = (count: number) => Array.from({ length: count }, (_, i) => [`text ${i}`, LABELS[i % 2]!]);
const columns = { text: 'text', label: 'label' };

describe('selectRows', () => {
  test('texts are trimmed, labels compared without case and space', () => {
    const rows = [...goodRows(7), ['  padded\t', ' POSITIVE ']];
    const selection = selectRows(tableOf(['text', 'label'], rows), columns, LABELS);
    expect(selection.skipped).toEqual([]);
    expect(selection.rows.length).toBe(8);
    expect(selection.rows[1]).toEqual({ text: 'text 1', label: 1 });
    expect(selection.rows[7]).toEqual({ text: 'padded', label: 1 });
  });

  test('a label may be its index; not where a label is itself a number', () => {
    const rows = goodRows(8).map(([text], i) => [text!, String(i % 2)]);
    expect(
      selectRows(tableOf(['text', 'label'], rows), columns, LABELS).rows.map((row) => row.label),
    ).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
    // With the labels "1" and "0" the cell "1" is the name of the first, never the index of the second
    expect(selectRows(tableOf(['text', 'label'], rows), columns, ['1', '0']).rows[1]!.label).toBe(0);
    expect(() => selectRows(tableOf(['text', 'label'], rows), columns, ['5', 'many'])).toThrow(
      /Found: "0", "1"/,
    );
  });

  test.each(['2', '-1', '1.0', '01x', ''])('%j is no index of two labels', (cell) => {
    const rows = [...goodRows(8), ['text', cell]];
    expect(selectRows(tableOf(['text', 'label'], rows), columns, LABELS).skipped).toEqual([
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
    const selection = selectRows(tableOf(['text', 'label'], rows, [2, 5]), columns, LABELS);
    expect(selection.rows.length).toBe(11);
    expect(selection.skipped).toEqual([
      { reason: 'not as many cells as the header, or not valid JSON', count: 2, firstRows: [2, 5] },
      { reason: 'no text', count: 1, firstRows: [3] },
      { reason: 'label is none of: negative, positive', count: 7, firstRows: [6, 8, 9, 10, 11] },
    ]);
  });

  test('a column that is not there is refused with those that are', () => {
    const table = tableOf(['review', 'label'], goodRows(8));
    expect(() => selectRows(table, columns, LABELS)).toThrow(
      expect.objectContaining({
        code: 'DATA_NO_SUCH_COLUMN',
        message: 'mine.csv has no column "text"; it has: review, label.',
      }) as Error,
    );
  });

  test('labels that are all unknown are refused with what was found', () => {
    const rows = goodRows(10).map(([text], i) => [text!, i % 2 === 0 ? 'spam' : 'x'.repeat(60)]);
    expect(() => selectRows(tableOf(['text', 'label'], rows), columns, LABELS)).toThrow(
      expect.objectContaining({
        code: 'DATA_UNKNOWN_LABELS',
        message: `No row of column "label" has a label of this task (negative, positive). Found: "spam", "${'x'.repeat(40)}". Choose another label column, or rename the labels in the file.`,
      }) as Error,
    );
  });

  test('fewer rows than the minimum are refused; the minimum is enough', () => {
    const rows = [...goodRows(MINIMUM_ROWS - 1), ['', 'positive']];
    expect(() => selectRows(tableOf(['text', 'label'], rows, [9]), columns, LABELS)).toThrow(
      expect.objectContaining({
        code: 'DATA_TOO_FEW_ROWS',
        message: expect.stringMatching(/^Only 7 of 9 rows can be used; at least 8 are needed/) as string,
      }) as Error,
    );
    expect(selectRows(tableOf(['text', 'label'], goodRows(MINIMUM_ROWS)), columns, LABELS).rows.length).toBe(
      8,
    );
  });
});

describe('suggestColumns', () => {
  test('by name', () => {
    const table = tableOf(['id', 'Sentence', 'Sentiment'], [['1', 'a', 'positive']]);
    expect(suggestColumns(table, LABELS)).toEqual({ text: 'Sentence', label: 'Sentiment' });
  });

  test('by content, where no name fits', () => {
    const table = tableOf(
      ['column 1', 'column 2', 'column 3'],
      [
        ['x', 'a long text', 'positive'],
        ['y', 'another', '0'],
      ],
    );
    expect(suggestColumns(table, LABELS)).toEqual({ text: 'column 2', label: 'column 3' });
  });

  test('no label column', () => {
    const table = tableOf(['text', 'stars'], [['fine', '5 of 5']]);
    expect(suggestColumns(table, LABELS)).toEqual({ text: 'text', label: null });
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
    expect(parseLabelledRows(bytes, 'dev.tsv', LABELS).rows[0]).toEqual({ text: 'text 0', label: 0 });
    expect(parseLabelledRows(bytes, 'dev.tsv', LABELS, { text: 'other' }).rows[0]).toEqual({
      text: 'x',
      label: 0,
    });
    expect(() => parseLabelledRows(bytes, 'dev.tsv', LABELS, { label: 'nope' })).toThrow(
      /has no column "nope"/,
    );
  });

  test('says which column it misses', () => {
    const bytes = file(
      'text\tstars',
      goodRows(8).map(([text]) => [text!, '5 of 5']),
    );
    expect(() => parseLabelledRows(bytes, 'dev.tsv', LABELS)).toThrow(
      expect.objectContaining({
        code: 'DATA_NO_SUCH_COLUMN',
        message:
          'dev.tsv has the columns text, stars; none looks like a label. Name it "label" in the header.',
      }) as Error,
    );
  });
});
