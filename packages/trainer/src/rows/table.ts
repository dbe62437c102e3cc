import Papa from 'papaparse';
import { ChoraleError } from '@chorale/protocol';
import { labelReader } from './labelReader.ts';

/** Rows as they stand in a file, before columns are chosen. Every row is as long as `columns`. */
export type Table = {
  name: string;
  format: 'csv' | 'tsv' | 'jsonl';
  columns: string[];
  rows: string[][];
  /**
   * The place in the file of each of `rows`, ascending: from 1, the header not counted, blank lines counted, so that a
   * row left empty moves no other.
   */
  places: number[];
  /** The places of rows that could not be read. */
  unreadable: number[];
};

export const MAX_FILE_BYTES = 50 * 1024 * 1024;

/**
 * Reads a CSV, TSV or JSONL file, or text pasted in one of these forms.
 * The first row is the header, unless one of its cells is a label of the task: then columns are named by number.
 * @param labels the task's labels
 * @throws {ChoraleError} DATA_EMPTY, DATA_TOO_LARGE, DATA_BINARY or DATA_UNREADABLE: what was found and what to do
 */
export function readTable(bytes: Uint8Array, name: string, labels: readonly string[]): Table {
  checkFileSize(bytes.byteLength, name);
  const text = decodeText(bytes, name);
  if (text.trim() === '') {
    throw new ChoraleError(
      'DATA_EMPTY',
      `${name} is empty. It needs a header row and one row per text with its label.`,
    );
  }
  const firstLine = text.trimStart().split('\n', 1)[0]!;
  const table = firstLine.startsWith('{')
    ? readJsonl(text, name)
    : readDelimited(text, name, firstLine, labels);
  if (table.rows.length === 0) {
    throw new ChoraleError(
      'DATA_EMPTY',
      `${name} has a header (${table.columns.join(', ')}) but no rows under it.`,
    );
  }
  return table;
}

/**
 * Refuses a file by its size alone, before it is read into memory.
 * @throws {ChoraleError} DATA_TOO_LARGE
 */
export function checkFileSize(sizeBytes: number, name: string): void {
  if (sizeBytes <= MAX_FILE_BYTES) return;
  throw new ChoraleError(
    'DATA_TOO_LARGE',
    `${name} has ${(sizeBytes / 1024 / 1024).toFixed(1)} MB; at most 50 MB are read. Split the file and take one part.`,
  );
}

function decodeText(bytes: Uint8Array, name: string): string {
  const advice = 'Save it as a CSV, TSV or JSONL text file in UTF-8 and choose that file.';
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    throw new ChoraleError(
      'DATA_BINARY',
      `${name} is a spreadsheet or an archive, not a text file. ${advice}`,
    );
  }
  if (bytes.includes(0)) throw new ChoraleError('DATA_BINARY', `${name} is not a text file. ${advice}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ChoraleError('DATA_BINARY', `${name} is not text in UTF-8. ${advice}`, { cause });
  }
}

function readDelimited(text: string, name: string, firstLine: string, labels: readonly string[]): Table {
  const isTsv = firstLine.includes('\t');
  // TSV files have no quoting by custom: a lone quote in a text must not swallow the rows after it
  const parsed = Papa.parse<string[]>(
    text,
    isTsv ? { delimiter: '\t', quoteChar: '\u0000' } : { delimiter: guessDelimiter(text) },
  );
  const firstAt = parsed.data.findIndex((row) => !isBlank(row));
  const first = parsed.data[firstAt];
  if (!first || first.length < 2) {
    throw new ChoraleError(
      'DATA_UNREADABLE',
      `${name} has one column only. Expected CSV, TSV or JSONL with a column for the text and one for the label.`,
    );
  }
  const toLabel = labelReader(labels);
  const headerless = first.some((cell) => toLabel(cell) !== null);
  const headerLines = headerless ? 0 : firstAt + 1;
  if (parsed.errors.some(({ code }) => code === 'MissingQuotes')) {
    // The open cell has swallowed the rest of the file: kept, it would be one huge text
    const row = parsed.data.length - headerLines;
    throw new ChoraleError(
      'DATA_UNREADABLE',
      `${name}: a quoted cell that begins in row ${row} never ends, so that the rows after it cannot be told apart. Double that quote ("") or remove it.`,
    );
  }
  const columns = headerless ? first.map((_, i) => `column ${i + 1}`) : uniqueNames(first);
  const rows: string[][] = [];
  const places: number[] = [];
  const unreadable: number[] = [];
  parsed.data.forEach((row, i) => {
    const place = i + 1 - headerLines;
    if (place < 1 || isBlank(row)) return;
    if (row.length === columns.length) {
      rows.push(row);
      places.push(place);
    } else unreadable.push(place);
  });
  if (rows.length === 0 && unreadable.length > 0) {
    throw new ChoraleError(
      'DATA_UNREADABLE',
      `${name}: no row has as many cells as the header (${columns.length}: ${columns.join(', ')}). Check the separator and the quotes.`,
    );
  }
  return { name, format: isTsv ? 'tsv' : 'csv', columns, rows, places, unreadable };
}

/** By the first lines that are not blank: Papa's own guess counts blank ones when it is to keep them. */
function guessDelimiter(text: string): string {
  return Papa.parse<string[]>(text, { preview: 1, skipEmptyLines: 'greedy' }).meta.delimiter;
}

function isBlank(row: readonly string[]): boolean {
  return row.every((cell) => cell.trim() === '');
}

function readJsonl(text: string, name: string): Table {
  const columns: string[] = [];
  const records: Record<string, unknown>[] = [];
  const places: number[] = [];
  const unreadable: number[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const record = parseRecord(line);
    if (!record) {
      unreadable.push(i + 1);
      return;
    }
    for (const key of Object.keys(record)) if (!columns.includes(key)) columns.push(key);
    records.push(record);
    places.push(i + 1);
  });
  if (records.length === 0) {
    throw new ChoraleError(
      'DATA_UNREADABLE',
      `${name} looks like JSONL, but no line is a JSON object of its own.`,
    );
  }
  const cell = (value: unknown): string =>
    typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
  const rows = records.map((record) => columns.map((column) => cell(record[column])));
  return { name, format: 'jsonl', columns, rows, places, unreadable };
}

function parseRecord(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isRecord ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Header cells, trimmed; empty and repeated ones get their column's number. */
function uniqueNames(header: string[]): string[] {
  const seen = new Set<string>();
  return header.map((cell, i) => {
    const trimmed = cell.trim();
    const unique = trimmed === '' || seen.has(trimmed) ? `${trimmed || 'column'} ${i + 1}` : trimmed;
    seen.add(unique);
    return unique;
  });
}
