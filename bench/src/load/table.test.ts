import { expect, test } from 'vitest';
import type { LoadResult } from './loadRun.ts';
import { loadTable } from './table.ts';

const result: LoadResult = {
  clients: 100,
  rounds: 5,
  updateBytes: 590_000,
  encoding: 'f32',
  joinSeconds: 1,
  seconds: 10,
  roundsPerMinute: 30,
  updatesPerSecond: 50,
  updates: {
    outcomes: { accepted: 500 },
    uplinkBytes: 295e6,
    downlinkBytes: 295e6,
    acknowledgementMs: { p50: 12.4, p99: 80, max: 99 },
  },
  violations: [],
  server: { cpuSeconds: 3, cpuSecondsPerMegabyte: 0.0102, peakRssBytes: 150e6 },
};

test('a line for each case', () => {
  const bare = { ...result, server: { cpuSeconds: 2, cpuSecondsPerMegabyte: 0.0068, peakRssBytes: 90e6 } };
  const lines = loadTable([
    { shape: 'minilm', clients: 100, rounds: 5, updateBytes: 590_000, chorale: result, bare, cpuRatio: 1.5 },
  ]).split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[2]).toBe('| minilm | 100 | 590000 | 30.0 | 50 | 12 | 80 | 10.2 | 6.8 | 1.50 | 150 | 90 |');
});
