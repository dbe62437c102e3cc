import type { LoadResult } from './loadRun.ts';

export type TableCase = {
  shape: string;
  clients: number;
  rounds: number;
  updateBytes: number;
  chorale: LoadResult;
  bare: LoadResult;
  cpuRatio: number;
};

const HEAD = [
  'shape',
  'clients',
  'bytes an update',
  'rounds/min',
  'updates/s',
  'ack p50 ms',
  'ack p99 ms',
  'CPU ms per MB',
  'bare: CPU ms per MB',
  'ratio',
  'peak RSS MB',
  'bare: peak RSS MB',
];

/** A Markdown table, a line for each case. */
export function loadTable(cases: readonly TableCase[]): string {
  const lines = cases.map(({ shape, clients, updateBytes, chorale, bare, cpuRatio }) => {
    const times = chorale.updates.acknowledgementMs;
    return [
      shape,
      `${clients}`,
      `${updateBytes}`,
      chorale.roundsPerMinute.toFixed(1),
      chorale.updatesPerSecond.toFixed(0),
      times === null ? '–' : times.p50.toFixed(0),
      times === null ? '–' : times.p99.toFixed(0),
      (1000 * chorale.server.cpuSecondsPerMegabyte).toFixed(1),
      (1000 * bare.server.cpuSecondsPerMegabyte).toFixed(1),
      cpuRatio.toFixed(2),
      (chorale.server.peakRssBytes / 1e6).toFixed(0),
      (bare.server.peakRssBytes / 1e6).toFixed(0),
    ];
  });
  return [HEAD, HEAD.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
