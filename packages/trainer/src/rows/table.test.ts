import { ChoraleError } from '@chorale/protocol';
import { describe, expect, test } from 'vitest';
import type { Table } from './table.ts';
import { MAX_FILE_BYTES, readTable } from './table.ts';

const LABELS = ['negative', 'positive'];
const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = (text: string): Table => readTable(bytesOf(text), 'mine.csv', LABELS);

describe('files that cannot be used', () => {
  const spreadsheet = Uint8Array.of(0x50, 0x4b, 0x03, 0x04, 0x14);
  const utf16 = Uint8Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 'text,label'.charCodeAt(i / 2) : 0));
  const latin1 = Uint8Array.from('text,label\ncaf\u00e9,positive\n', (character) => character.charCodeAt(0));
  test.each<[string, Uint8Array, string, RegExp]>([
    ['nothing', new Uint8Array(), 'DATA_EMPTY', /mine\.csv is empty\. It needs a header row/],
    ['blank lines', bytesOf('\n  \r\n\n'), 'DATA_EMPTY', /is empty/],
    ['a byte order mark alone', Uint8Array.of(0xef, 0xbb, 0xbf), 'DATA_EMPTY', /is empty/],
    [
      'a header without rows',
      bytesOf('text,label\n'),
      'DATA_EMPTY',
      /has a header \(text, label\) but no rows/,
    ],
    ['a spreadsheet', spreadsheet, 'DATA_BINARY', /spreadsheet or an archive.*Save it as a CSV/],
    ['a NUL byte', bytesOf('text,label\na\u0000b,positive\n'), 'DATA_BINARY', /not a text file/],
    ['UTF-16', utf16, 'DATA_BINARY', /not a text file/],
    ['Latin-1', latin1, 'DATA_BINARY', /not text in UTF-8/],
    ['one column', bytesOf('text\nfine\nbad\n'), 'DATA_UNREADABLE', /has one column only/],
    ['prose', bytesOf('This is a letter.\nIt has no table.\n'), 'DATA_UNREADABLE', /has one column only/],
    [
      'JSONL without a record',
      bytesOf('{"text": \n{broken\n'),
      'DATA_UNREADABLE',
      /no line is a JSON object/,
    ],
    [
      'rows all of another length',
      bytesOf('text,label\na,b,c\nd\n'),
      'DATA_UNREADABLE',
      /no row has as many cells as the header \(2: text, label\)/,
    ],
  ])('%s', (_, bytes, code, message) => {
    const failure = (() => {
      try {
        return readTable(bytes, 'mine.csv', LABELS);
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toBeInstanceOf(ChoraleError);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });

  test('more than 50 MB; 50 MB themselves are read', () => {
    expect(() => readTable(new Uint8Array(MAX_FILE_BYTES + 1), 'mine.csv', LABELS)).toThrow(
      expect.objectContaining({
        code: 'DATA_TOO_LARGE',
        message: expect.stringMatching(/at most 50 MB are read\. Split the file/) as string,
      }) as Error,
    );
    const full = new Uint8Array(MAX_FILE_BYTES).fill(0x61);
    full.set(bytesOf('text,label\n'));
    full.set(bytesOf(',positive'), MAX_FILE_BYTES - 9);
    expect(readTable(full, 'mine.csv', LABELS).rows[0]![0]!.length).toBe(MAX_FILE_BYTES - 11 - 9);
  });
});

describe('CSV', () => {
  test('quoted commas, quotes and line breaks', () => {
    const table = read('text,label\r\n"good, but ""long""",positive\r\n"two\nlines",negative\r\n');
    expect(table).toEqual({
      name: 'mine.csv',
      format: 'csv',
      columns: ['text', 'label'],
      rows: [
        ['good, but "long"', 'positive'],
        ['two\nlines', 'negative'],
      ],
      places: [1, 2],
      unreadable: [],
    });
  });

  test('semicolons, a byte order mark, blank lines, no line break at the end', () => {
    const table = read('\ufefftext;label\n\ngood, really;positive\n\n  \nbad;negative');
    expect(table).toMatchObject({ columns: ['text', 'label'], format: 'csv' });
    expect(table.rows).toEqual([
      ['good, really', 'positive'],
      ['bad', 'negative'],
    ]);
    expect(table.places).toEqual([2, 5]);
  });

  test('lines of separators alone are blank; blank lines before the header have no place', () => {
    const table = read('\n;\ntext;label\ngood;positive\n;\nbad;negative\n\n');
    expect(table).toMatchObject({ columns: ['text', 'label'], places: [1, 3], unreadable: [] });
  });

  test('rows of another length are set aside with their numbers, the others kept', () => {
    const table = read('text,label\na,positive\nb\nc,negative\nd,e,positive\n');
    expect(table.rows.map(([text]) => text)).toEqual(['a', 'c']);
    expect(table.unreadable).toEqual([2, 4]);
  });

  test('a quote that never closes is refused, not read as one huge text', () => {
    const text = 'label,text\npositive,good\nnegative,"open\npositive,swallowed\nnegative,swallowed too\n';
    expect(() => read(text)).toThrow(
      expect.objectContaining({
        code: 'DATA_UNREADABLE',
        message: expect.stringMatching(/a quoted cell that begins in row 2 never ends/) as string,
      }) as Error,
    );
  });

  test('header cells are trimmed; empty and repeated names get the number of their column', () => {
    expect(read(' text ,,text\na,b,c\n').columns).toEqual(['text', 'column 2', 'text 3']);
  });
});

describe('TSV', () => {
  test('lone quotes and commas are text', () => {
    const table = read(
      'sentence\tlabel\n"so it begins\tnegative\nthe 5" screen, fine\tpositive\nsaid "yes"\tpositive\n',
    );
    expect(table).toMatchObject({ format: 'tsv', columns: ['sentence', 'label'], unreadable: [] });
    expect(table.rows.map(([text]) => text)).toEqual(['"so it begins', 'the 5" screen, fine', 'said "yes"']);
  });
});

describe('pasted text without a header', () => {
  test('a first row whose label is an index is a row, not a header', () => {
    const table = readTable(new TextEncoder().encode('a fine film\t1\na dull one\t0\n'), 'pasted', [
      'bad',
      'good',
    ]);
    expect(table.columns).toEqual(['column 1', 'column 2']);
    expect(table.rows).toHaveLength(2);
  });

  test('a first row left empty keeps its place', () => {
    expect(read('\nbad film,negative\ngood film,positive').places).toEqual([2, 3]);
  });

  test.each(['\t', ','])(
    'columns are named by number when the first row holds a label (separator %j)',
    (separator) => {
      const table = read(`good film${separator}Positive\nbad film${separator}negative`);
      expect(table.columns).toEqual(['column 1', 'column 2']);
      expect(table.rows).toEqual([
        ['good film', 'Positive'],
        ['bad film', 'negative'],
      ]);
    },
  );
});

describe('JSONL', () => {
  test('columns are all keys that appear; other values than text are written as JSON', () => {
    const table = read('{"text": "good", "label": 1}\n{"label": "negative", "text": null, "tags": ["a"]}\n');
    expect(table).toEqual({
      name: 'mine.csv',
      format: 'jsonl',
      columns: ['text', 'label', 'tags'],
      rows: [
        ['good', '1', ''],
        ['', 'negative', '["a"]'],
      ],
      places: [1, 2],
      unreadable: [],
    });
  });

  test('bad lines are set aside with their numbers, the others kept', () => {
    const table = read(
      '{"text": "a", "label": "positive"}\r\n{"text": "b"\n\n[1, 2]\n"text"\n{"text": "c", "label": "negative"}',
    );
    expect(table.rows.map(([text]) => text)).toEqual(['a', 'c']);
    expect(table.unreadable).toEqual([2, 4, 5]);
    expect(table.places).toEqual([1, 6]);
  });
});
