import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadResult } from './load/loadRun.ts';
import { loadRun } from './load/loadRun.ts';
import type { BenchServer, ServerKind } from './load/servers.ts';
import { startBareServer, startChoraleServer } from './load/servers.ts';
import { SHAPES } from './load/shapes.ts';
import { loadTable } from './load/table.ts';

/*
 * What the server costs: synthetic contributors over real sockets against Chorale's server, with everything on that keeps
 * updates safe, and against a bare socket.io server that only adds up, with the same load in the same run. Prints one JSON
 * object; --out writes it, and a table beside it.
 *
 *   npm run bench:load -- --clients 100,1000 --out bench/results/load.json
 *
 * --shapes tiny,minilm,roberta-base   --repeats 3   --updates 2000 (rounds are as many as give so many updates,
 * at least 3)   --limit-megabytes 4000 (skips what sends more than that up in one run)
 */

type Case = {
  shape: string;
  clients: number;
  rounds: number;
  updateBytes: number;
  chorale: LoadResult;
  bare: LoadResult;
  /** Chorale's over the bare server's, medians over the repeats; processor time per byte of update. */
  cpuRatio: number;
};

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '100,1000' },
    updates: { type: 'string', default: '2000' },
    repeats: { type: 'string', default: '3' },
    shapes: { type: 'string', default: SHAPES.map(({ name }) => name).join(',') },
    'limit-megabytes': { type: 'string', default: '4000' },
    out: { type: 'string' },
  },
});
/** The first ones of a server cost more: code that is not compiled yet, and the price of the run. */
const LEAST_ROUNDS = 3;

const wanted = values.shapes.split(',');
const cases: Case[] = [];
for (const shape of SHAPES.filter(({ name }) => wanted.includes(name))) {
  for (const clients of values.clients.split(',').map(Number)) {
    const rounds = Math.max(LEAST_ROUNDS, Math.ceil(Number(values.updates) / clients));
    const megabytes = (4 * shape.parameterCount * clients * rounds) / 1e6;
    if (megabytes > Number(values['limit-megabytes'])) {
      process.stderr.write(`${shape.name}, ${clients} clients: ${megabytes.toFixed(0)} MB up, left out\n`);
      continue;
    }
    const runs: Record<ServerKind, LoadResult[]> = { chorale: [], bare: [] };
    for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
      const directory = mkdtempSync(join(tmpdir(), 'chorale-bench-load-'));
      try {
        const setting = { shape, clients, rounds: rounds + 1, directory };
        const chorale = await startChoraleServer(setting);
        runs.chorale.push(await measured(chorale, { clients, rounds }));
        const bare = await startBareServer(setting, chorale.publicRun);
        runs.bare.push(await measured(bare, { clients, rounds }));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
    const [chorale, bare] = [median(runs.chorale), median(runs.bare)];
    const ratios = runs.chorale.map(
      (one, i) => one.server.cpuSecondsPerMegabyte / runs.bare[i]!.server.cpuSecondsPerMegabyte,
    );
    cases.push({
      shape: shape.name,
      clients,
      rounds,
      updateBytes: chorale.updateBytes,
      chorale,
      bare,
      cpuRatio: ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)]!,
    });
    process.stderr.write(`${loadTable(cases.slice(-1))}\n`);
  }
}
const report = {
  bench: 'load',
  machine: {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    node: process.version,
    note: 'server and load generator on the same machine, over the loopback interface',
  },
  cases,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
if (values.out !== undefined) {
  mkdirSync(dirname(values.out), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(values.out.replace(/\.json$/, '.md'), `${loadTable(cases)}\n`);
}

async function measured(server: BenchServer, load: { clients: number; rounds: number }): Promise<LoadResult> {
  try {
    return await loadRun(server, load);
  } finally {
    await server.stop();
  }
}

/** The run in the middle by processor time. */
function median(results: readonly LoadResult[]): LoadResult {
  const sorted = results.toSorted((a, b) => a.server.cpuSeconds - b.server.cpuSeconds);
  return sorted[Math.floor(sorted.length / 2)]!;
}
