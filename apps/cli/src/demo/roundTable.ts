import type { RoundRecord } from '@chorale/protocol';

const COLUMNS = [
  { title: 'round', width: 5 },
  { title: 'cohort', width: 6 },
  { title: 'received', width: 8 },
  { title: 'test accuracy', width: 13 },
  { title: 'test loss', width: 9 },
  { title: 'epsilon spent', width: 13 },
  { title: 'bytes up / client', width: 17 },
  { title: 'seconds', width: 7 },
] as const;

export function roundTableHeader(): string {
  const titles = COLUMNS.map(({ title, width }) => title.padStart(width)).join('  ');
  return `${titles}\n${'-'.repeat(titles.length)}`;
}

/** One line of the table; round 0 is the adapter before any training. `-`: not measured, or not priced yet. */
export function roundTableLine(record: RoundRecord): string {
  const cells = [
    String(record.round),
    String(record.cohort),
    String(record.received),
    record.testAccuracy === null ? '-' : `${(100 * record.testAccuracy).toFixed(1)} %`,
    record.testLoss === null ? '-' : record.testLoss.toFixed(4),
    record.spentEpsilon === null ? '-' : record.spentEpsilon.toFixed(3),
    record.round === 0 ? '-' : record.uplinkBytes.toLocaleString('en'),
    (record.durationMs / 1000).toFixed(1),
  ];
  return cells.map((cell, i) => cell.padStart(COLUMNS[i]!.width)).join('  ');
}
