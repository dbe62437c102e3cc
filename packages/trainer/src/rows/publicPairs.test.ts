import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parseLabelledRows } from './labelledRows.ts';

// Public pairs of GLUE, in the form they are downloaded; their sizes stand beside them (SOURCE.md)
const SHARED = resolve(import.meta.dirname, '../../../../../shared/data');
const LABELS = ['entailment', 'not_entailment'];

test.each([
  { file: 'qnli-dev/dev.tsv', rowCount: 5463, first: 'What came into force after', second: 'As of that day' },
  { file: 'rte/dev.tsv', rowCount: 277, first: 'Dana Reeve, the widow', second: 'Christopher Reeve had' },
])('$file is read as pairs', ({ file, rowCount, first, second }) => {
  const path = resolve(SHARED, file);
  if (!existsSync(path)) {
    console.warn(`SKIPPED: ${path} is not here, so that real pairs are not read.`);
    return;
  }
  const { rows, skipped } = parseLabelledRows(readFileSync(path), file, { labels: LABELS, textPair: true });
  expect([rows.length, skipped]).toEqual([rowCount, []]);
  expect(rows[0]!.text.startsWith(first)).toBe(true);
  expect(rows[0]!.textPair!.startsWith(second)).toBe(true);
  expect(new Set(rows.map(({ label }) => label))).toEqual(new Set([0, 1]));
});
