import { labelReader } from './labelReader.ts';
import type { Table } from './table.ts';

/** What a run reads of each row: a label and a text, or two texts that belong together. */
export type RowTask = { labels: readonly string[]; textPair: boolean };

/** Which column is which; `textPair` is null in a run that reads one text of each row. */
export type Columns = { text: string; textPair: string | null; label: string };

export type SuggestedColumns = { text: string | null; textPair: string | null; label: string | null };

const TEXT_NAMES = ['text', 'sentence', 'review', 'content', 'message', 'utterance', 'question'];
const LABEL_NAMES = ['label', 'labels', 'class', 'category', 'sentiment', 'intent', 'target'];
/** Names of pairs in public data sets (GLUE, SNLI, the datasets library), the first text first. */
const PAIR_NAMES = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['question', 'answer'],
  ['question', 'sentence'],
  ['question', 'passage'],
  ['query', 'passage'],
  ['text', 'text_pair'],
  ['text_a', 'text_b'],
  ['text1', 'text2'],
] as const;

/** Rows looked at for a guess. */
const HEAD = 20;

/** Guesses which columns hold text and label, for pairs the second text too; null where none fits. */
export function suggestColumns(table: Table, task: RowTask): SuggestedColumns {
  const named = (name: string) => table.columns.find((column) => column.trim().toLowerCase() === name);
  const byName = (names: readonly string[]) =>
    table.columns.find((column) => names.includes(column.trim().toLowerCase())) ?? null;
  const toLabel = labelReader(task.labels);
  const head = table.rows.slice(0, HEAD);
  const byContent = table.columns.find((_, i) => head.every((row) => toLabel(row[i]!) !== null));
  const label = byName(LABEL_NAMES) ?? byContent ?? null;
  const byLength = table.columns
    .filter((column) => column !== label)
    .toSorted((a, b) => averageLength(table, b) - averageLength(table, a));
  if (!task.textPair) {
    const text = byName(TEXT_NAMES);
    return { text: (text === label ? null : text) ?? byLength[0] ?? null, textPair: null, label };
  }
  for (const [first, second] of PAIR_NAMES) {
    const text = named(first);
    const textPair = named(second);
    // In BoolQ's {question, passage, answer} the answer is the label: as a text it would tell the model what to say
    if (text === undefined || textPair === undefined || text === label || textPair === label) continue;
    return { text, textPair, label };
  }
  // The two longest, in the file's order
  const [text = null, textPair = null] = table.columns.filter((column) =>
    byLength.slice(0, 2).includes(column),
  );
  return { text, textPair, label };
}

function averageLength(table: Table, column: string): number {
  const index = table.columns.indexOf(column);
  const head = table.rows.slice(0, HEAD);
  return head.reduce((sum, row) => sum + row[index]!.length, 0) / head.length;
}
