import { ChoraleError } from '@chorale/protocol';
import type { Columns, RowTask } from './columns.ts';
import { suggestColumns } from './columns.ts';
import { labelReader } from './labelReader.ts';
import type { Table } from './table.ts';
import { readTable } from './table.ts';

/** One private text, or two that the model reads together, with their class index. Exists only inside the trainer. */
export type LabelledRow = { text: string; textPair: string | null; label: number };

/** Rows that are not used, by reason, with their places in the file (see `Table`), at most five of them. */
export type SkippedRows = { reason: string; count: number; firstRows: number[] };

export type RowSelection = { rows: LabelledRow[]; skipped: SkippedRows[] };

/** Fewer rows than this train nothing but noise. */
export const MINIMUM_ROWS = 8;

/**
 * Takes texts and labels out of a table. Rows without text (for pairs: without both texts) or with a label that is none
 * of the task's are skipped and counted; the good ones are kept. A label may be a task label's name or, where no name is
 * a number, its index from 0.
 * @param limit rows beyond so many places of the file are skipped. It goes by place, never by how many before were good:
 *   whether one row is there, or empty, or unreadable must not change which others are taken, or neighbouring data sets
 *   would differ in two rows, at twice the sensitivity (docs/privacy.md).
 * @throws {ChoraleError} DATA_NO_SUCH_COLUMN (also when the second text is missing or is not what the task reads, or a
 *   column is chosen twice), DATA_UNKNOWN_LABELS (no row has a label of the task) or DATA_TOO_FEW_ROWS
 */
export function selectRows(
  table: Table,
  columns: Columns,
  { labels, textPair }: RowTask,
  limit = Infinity,
): RowSelection {
  checkColumns(columns, textPair);
  const textAt = columnIndex(table, columns.text);
  const pairAt = columns.textPair === null ? null : columnIndex(table, columns.textPair);
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
  table.rows.forEach((cells, i) => {
    const place = table.places[i]!;
    if (place > limit) {
      skip(`this run takes the first ${limit} rows of a file only`, place);
      return;
    }
    const text = cells[textAt]!.trim();
    const second = pairAt === null ? null : cells[pairAt]!.trim();
    const label = toLabel(cells[labelAt]!);
    if (text === '') skip(textPair ? 'no first text' : 'no text', place);
    else if (second === '') skip('no second text', place);
    else if (label === null) {
      unknown.add(cells[labelAt]!.trim());
      skip(`label is none of: ${labels.join(', ')}`, place);
    } else rows.push({ text, textPair: second, label });
  });
  if (rows.length === 0 && unknown.size > 0) {
    const found = [...unknown].slice(0, 5).map((label) => `"${label.slice(0, 40)}"`);
    throw new ChoraleError(
      'DATA_UNKNOWN_LABELS',
      `No row of column "${columns.label}" has a label of this task (${labels.join(', ')}). Found: ${found.join(', ')}. Choose another label column, or rename the labels in the file.`,
    );
  }
  const least = Math.min(MINIMUM_ROWS, limit);
  if (rows.length < least) {
    const all = table.rows.length + table.unreadable.length;
    const beyond = Math.max(table.places.at(-1) ?? 0, table.unreadable.at(-1) ?? 0) > limit;
    const advice = beyond
      ? `This run takes the first ${limit} rows of a file only: put rows there that can be used`
      : 'Add rows';
    throw new ChoraleError(
      'DATA_TOO_FEW_ROWS',
      `Only ${rows.length} of ${all} rows can be used; at least ${least} are needed. ${advice}, or check the chosen columns.`,
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
  task: RowTask,
  chosen: Partial<Record<keyof Columns, string | undefined>> = {},
): RowSelection {
  const table = readTable(bytes, fileName, task.labels);
  const suggested = suggestColumns(table, task);
  const take = (key: keyof Columns, what: string, name: string): string => {
    const column = chosen[key] ?? suggested[key];
    if (column !== null) return column;
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `${fileName} has the columns ${table.columns.join(', ')}; none looks like a ${what}. Name it "${name}" in the header.`,
    );
  };
  const columns: Columns = {
    text: take('text', 'text', task.textPair ? 'text_a' : 'text'),
    textPair: task.textPair ? take('textPair', 'second text', 'text_b') : (chosen.textPair ?? null),
    label: take('label', 'label', 'label'),
  };
  return selectRows(table, columns, task);
}

/**
 * A label that is also read as text would be learned by heart and tell nothing.
 * @throws {ChoraleError} DATA_NO_SUCH_COLUMN: the columns are not those of a task that reads one text, or two; or one
 *   stands for two things
 */
function checkColumns({ text, textPair, label }: Columns, pairWanted: boolean): void {
  if (pairWanted && textPair === null) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      'This run reads two texts of each row. Choose the column of the second text, too.',
    );
  }
  if (!pairWanted && textPair !== null) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `This run reads one text of each row; column "${textPair}" would not be used. Choose no second text.`,
    );
  }
  if (textPair === text) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `Both texts are column "${text}". Choose two different columns.`,
    );
  }
  if (label === text || label === textPair) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `Column "${label}" is chosen as text and as label: the model would read the answer. Choose another column for one of them.`,
    );
  }
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
