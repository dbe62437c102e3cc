import { describe, expect, test } from 'vitest';
import type { RoundRecord } from '@chorale/protocol';
import { roundTableHeader, roundTableLine } from './roundTable.ts';

const RECORD: RoundRecord = {
  round: 7,
  attempt: 1,
  cohort: 3,
  received: 2,
  adapterVersion: 7,
  testAccuracy: 0.87654,
  testLoss: 0.43219,
  spentEpsilon: 4.2,
  localMetrics: null,
  uplinkBytes: 1234567,
  durationMs: 12_345,
};

const cellsOf = (line: string): string[] => line.trim().split(/ {2,}/);

describe('a line of the table', () => {
  test('shows the round under its titles', () => {
    const [titles] = roundTableHeader().split('\n');
    expect(cellsOf(titles!)).toEqual([
      'round',
      'cohort',
      'received',
      'test accuracy',
      'test loss',
      'epsilon spent',
      'bytes up / client',
      'seconds',
    ]);
    expect(cellsOf(roundTableLine(RECORD))).toEqual([
      '7',
      '3',
      '2',
      '87.7 %',
      '0.4322',
      '4.200',
      '1,234,567',
      '12.3',
    ]);
  });

  test('before any training nothing was sent or spent', () => {
    const initial = { ...RECORD, round: 0, cohort: 0, received: 0, spentEpsilon: 0, uplinkBytes: 96 };
    expect(cellsOf(roundTableLine(initial))).toEqual([
      '0',
      '0',
      '0',
      '87.7 %',
      '0.4322',
      '0.000',
      '-',
      '12.3',
    ]);
  });

  test('leaves out what was not measured or not priced yet', () => {
    const bare = { ...RECORD, spentEpsilon: null, testAccuracy: null, testLoss: null };
    expect(cellsOf(roundTableLine(bare))).toEqual(['7', '3', '2', '-', '-', '-', '1,234,567', '12.3']);
  });

  test('is as long as the header and the line under it, whatever is in it', () => {
    const [titles, rule] = roundTableHeader().split('\n');
    expect(rule).toBe('-'.repeat(titles!.length));
    const records = [
      RECORD,
      { ...RECORD, round: 10_000, cohort: 100_000, testAccuracy: 1, uplinkBytes: 999_999_999 },
      { ...RECORD, round: 0, spentEpsilon: null, testAccuracy: null, testLoss: null, durationMs: 0 },
    ];
    for (const record of records) expect(roundTableLine(record)).toHaveLength(titles!.length);
  });
});
