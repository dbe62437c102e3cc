import { ChoraleError } from '@chorale/protocol';
import type { Table } from './table.ts';
import { labelReader } from './labelReader.ts';
import { readTable } from './table.ts';

/** One private text with its class index. Exists only inside the trainer. */
export type LabelledRow = { text: string; label: number };

/**
 * Rows that are not used, by reason; numbers count from 1 without the header and blank lines, at most five are kept.
 */
export type SkippedRows = { reason: string; count: number; firstRows: number[] };

export type RowSelection = { rows: LabelledRow[]; skipped: SkippedRows[] };

/** Fewer rows than this train nothing but noise. */
export const MINIMUM_ROWS = 8;

const TEXT_NAMES = ['text', 'sentence', 'review', 'content', 'message', 'utterance', 'question'];
const LABEL_NAMES = ['label', 'labels', 'class', 'category', 'sentiment', 'intent', 'target'];

/** Guesses which columns hold text and label; null where no name fits. */
export function suggestColumns(
  table: Table,
  labels: readonly string[],
): { text: string | null; label: string | null } {
  const byName = (names: string[]) =>
    table.columns.find((column) => names.includes(column.trim().toLowerCase()));
  const toLabel = labelReader(labels);
  const head = table.rows.slice(0, 20);
  const byContent = table.columns.find((_, i) => head.every((row) => toLabel(row[i]!) !== null));
  const label = byName(LABEL_NAMES) ?? byContent ?? null;
  const rest = table.columns.filter((column) => column !== label);
  const longest = rest.toSorted((a, b) => averageLength(table, b) - averageLength(table, a))[0];
  return { text: byName(TEXT_NAMES) ?? longest ?? null, label };
}

/**
 * Takes text and label out of a table. Rows without text or with a label that is none of the task's are skipped and
 * counted; the good ones are kept. A label may be a task label's name or, where no name is a number, its index from 0.
 * @throws {ChoraleError} DATA_NO_SUCH_COLUMN, DATA_UNKNOWN_LABELS (no row has a label of the task) or
 *   DATA_TOO_FEW_ROWS
 */
export function selectRows(
  table: Table,
  columns: { text: string; label: string },
  labels: readonly string[],
): RowSelection {
  const textAt = columnIndex(table, columns.text);
  const labelAt = columnIndex(table, columns.label);
  const toLabel = labelReader(labels);
  const skipped = new Map<string, SkippedRows>();
  const skip = (reason: string, row: number) => {
    const entry = skipped.get(reason) ?? { reason, count: 0, firstRows: [] };
    entry.count += 1;
    if (entry.firstRows.length < 5) entry.firstRows.push(row);
    skipped.set(reason, entry);
  };
  for (const row of table.unreadable) skip('not as many cells as the header, or not valid JSON', row);
  const rows: LabelledRow[] = [];
  const unknown = new Set<string>();
  const unreadable = new Set(table.unreadable);
  let number = 0;
  for (const cells of table.rows) {
    // Rows keep the numbers they have in the file, with the unreadable ones between them
    do number += 1;
    while (unreadable.has(number));
    const text = cells[textAt]!.trim();
    const label = toLabel(cells[labelAt]!);
    if (text === '') skip('no text', number);
    else if (label === null) {
      unknown.add(cells[labelAt]!.trim());
      skip(`label is none of: ${labels.join(', ')}`, number);
    } else rows.push({ text, label });
  }
  if (rows.length === 0 && unknown.size > 0) {
    const found = [...unknown].slice(0, 5).map((label) => `"${label.slice(0, 40)}"`);
    throw new ChoraleError(
      'DATA_UNKNOWN_LABELS',
      `No row of column "${columns.label}" has a label of this task (${labels.join(', ')}). Found: ${found.join(', ')}. Choose another label column, or rename the labels in the file.`,
    );
  }
  if (rows.length < MINIMUM_ROWS) {
    throw new ChoraleError(
      'DATA_TOO_FEW_ROWS',
      `Only ${rows.length} of ${table.rows.length + table.unreadable.length} rows can be used; at least ${MINIMUM_ROWS} are needed. Add rows, or check the chosen columns.`,
    );
  }
  return { rows, skipped: [...skipped.values()] };
}

/**
 * Reads a labelled file in one go, with guessed columns, as the server and the command line do.
 * @throws {ChoraleError} as `readTable` and `selectRows`
 */
export function parseLabelledRows(
  bytes: Uint8Array,
  fileName: string,
  labels: readonly string[],
  chosen: { text?: string | undefined; label?: string | undefined } = {},
): RowSelection {
  const table = readTable(bytes, fileName, labels);
  const suggested = suggestColumns(table, labels);
  const text = chosen.text ?? suggested.text;
  const label = chosen.label ?? suggested.label;
  if (text === null || label === null) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `${fileName} has the columns ${table.columns.join(', ')}; none looks like a ${text === null ? 'text' : 'label'}. Name it "${text === null ? 'text' : 'label'}" in the header.`,
    );
  }
  return selectRows(table, { text, label }, labels);
}

function columnIndex(table: Table, column: string): number {
  const index = table.columns.indexOf(column);
  if (index < 0) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `${table.name} has no column "${column}"; it has: ${table.columns.join(', ')}.`,
    );
  }
  return index;
}

function averageLength(table: Table, column: string): number {
  const index = table.columns.indexOf(column);
  const head = table.rows.slice(0, 20);
  return head.reduce((sum, row) => sum + row[index]!.length, 0) / head.length;
}
