import { fetchRun } from '@chorale/client/node';
import type { PublicRun, RunState } from '@chorale/protocol';
import { ChoraleError, ENDED_STATUSES, updateBytes } from '@chorale/protocol';
import { parseOptions, required, wholeNumber } from '../options.ts';
import type { FaultRates } from './faults.ts';
import { FaultChoice, parseFaults } from './faults.ts';
import type { LoadReport } from './loadTally.ts';
import { LoadTally } from './loadTally.ts';
import { usageOf } from './serverUsage.ts';
import { SyntheticContributor } from './syntheticContributor.ts';
import { UpdatePool } from './updatePool.ts';

export const LOAD_USAGE = `chorale load --server URL --clients N --rounds R [--run ID] [--invite CODE]
             [--faults drop=P,delay=P,duplicate=P,corrupt=P] [--seed S] [--server-pid PID] [--limit-seconds N] [--json]

Synthetic contributors, each over a socket of its own, with updates of the run's size, encoding and noise law and nothing
else in them. For a test run on a server of yours: what they send is averaged like anything else.

  --faults      how often something goes wrong on purpose, per update: the connection is cut before it is sent, it comes
                late, it is sent again, a broken copy is sent first (default: nothing)
  --seed        of the faults (default 1)
  --server-pid  process of the server on this machine: its processor time and memory are reported too
  --limit-seconds  gives up after so long, with exit code 1 (default 3600)

Ends after R rounds, or with the run. Exit code 1 when the server did something it must not do ("violations").
`;

const TICK_MS = 20;
const MOST_OPENING = 50;

export async function load(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    server: { type: 'string' },
    clients: { type: 'string' },
    rounds: { type: 'string' },
    run: { type: 'string' },
    invite: { type: 'string' },
    faults: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    'server-pid': { type: 'string' },
    'limit-seconds': { type: 'string', default: '3600' },
    json: { type: 'boolean', default: false },
  });
  const pid = values['server-pid'];
  const report = await runLoad({
    serverUrl: required('server', values.server, LOAD_USAGE),
    clients: wholeNumber('clients', required('clients', values.clients, LOAD_USAGE), 1),
    rounds: wholeNumber('rounds', required('rounds', values.rounds, LOAD_USAGE), 1),
    runId: values.run ?? null,
    invite: values.invite,
    faults: parseFaults(values.faults),
    seed: wholeNumber('seed', values.seed, 0),
    limitSeconds: wholeNumber('limit-seconds', values['limit-seconds'], 1),
    serverPid: pid === undefined ? null : wholeNumber('server-pid', pid, 1),
    onProgress: values.json ? () => undefined : (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : describe(report));
  return report.violations.length === 0 ? 0 : 1;
}

type LoadOptions = {
  serverUrl: string;
  clients: number;
  rounds: number;
  runId: string | null;
  invite: string | undefined;
  faults: FaultRates;
  seed: number;
  serverPid: number | null;
  limitSeconds: number;
  onProgress: (line: string) => void;
};

type WholeReport = LoadReport & {
  clients: number;
  rounds: number;
  updateBytes: number;
  encoding: string;
  joinSeconds: number;
  seconds: number;
  roundsPerMinute: number;
  updatesPerSecond: number;
  /** Null without --server-pid. Processor time from the last join to the end of the last round. */
  server: { cpuSeconds: number; cpuSecondsPerMegabyte: number; peakRssBytes: number } | null;
};

/** @throws {ChoraleError} CONFIG_INVALID, RUN_ENDED, and what the first contributor that is refused meets */
async function runLoad(options: LoadOptions): Promise<WholeReport> {
  const { clients, rounds, serverUrl, serverPid, onProgress } = options;
  const { run, state }: PublicRun = await fetchRun(serverUrl, options.runId);
  if (ENDED_STATUSES.includes(state.status))
    throw new ChoraleError('RUN_ENDED', `run ${run.runId} is ${state.status}; start a new one`);
  const tally = new LoadTally();
  const progress = new RunProgress(state, rounds);
  const pool = new UpdatePool(run);
  pool.update(state.round, 0); // made before the clock runs
  const contributors = Array.from(
    { length: clients },
    (_, number) =>
      new SyntheticContributor({
        serverUrl,
        run,
        invite: options.invite,
        number,
        pool,
        faults: new FaultChoice(options.faults, options.seed, number),
        tally,
        onState: (seen) => progress.see(seen),
      }),
  );
  try {
    const openedAtMs = performance.now();
    for (let from = 0; from < clients; from += MOST_OPENING) {
      await Promise.all(contributors.slice(from, from + MOST_OPENING).map((one) => one.open()));
    }
    const startedAtMs = performance.now();
    onProgress(`${clients} contributors joined`);
    const before = serverPid === null ? null : usageOf(serverPid);
    let said = state.adapterVersion;
    while (!progress.done || !contributors.every(({ settled }) => settled)) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      if (performance.now() - startedAtMs > 1000 * options.limitSeconds) {
        tally.violation(`${rounds} rounds were not over after ${options.limitSeconds} s`);
        break;
      }
      if (progress.adapterVersion > said) onProgress(`adapter version ${(said = progress.adapterVersion)}`);
    }
    const seconds = (performance.now() - startedAtMs) / 1000;
    const report = tally.report();
    const finished = progress.adapterVersion - state.adapterVersion;
    const answered = Object.values(report.updates.outcomes).reduce((sum, count) => sum + count, 0);
    const after = serverPid === null ? null : usageOf(serverPid);
    const cpuSeconds = after && before ? after.cpuSeconds - before.cpuSeconds : 0;
    return {
      clients,
      rounds: finished,
      updateBytes: updateBytes(run.plan, 1),
      encoding: run.plan.config.transport.encoding,
      joinSeconds: (startedAtMs - openedAtMs) / 1000,
      seconds,
      roundsPerMinute: (60 * finished) / seconds,
      updatesPerSecond: answered / seconds,
      ...report,
      server: after && {
        cpuSeconds,
        cpuSecondsPerMegabyte: cpuSeconds / (Math.max(1, report.updates.uplinkBytes) / 1e6),
        peakRssBytes: after.peakRssBytes,
      },
    };
  } finally {
    for (const one of contributors) one.close();
  }
}

/** Where the run is, by what any of the contributors has heard last. */
class RunProgress {
  readonly #target: number;
  adapterVersion: number;
  #ended = false;

  constructor(start: RunState, rounds: number) {
    this.adapterVersion = start.adapterVersion;
    this.#target = start.adapterVersion + rounds;
  }

  see({ adapterVersion, status }: RunState): void {
    this.adapterVersion = Math.max(this.adapterVersion, adapterVersion);
    this.#ended ||= ENDED_STATUSES.includes(status);
  }

  get done(): boolean {
    return this.#ended || this.adapterVersion >= this.#target;
  }
}

function describe(report: WholeReport): string {
  const { updates, server } = report;
  const times = updates.acknowledgementMs;
  return [
    `${report.clients} contributors, ${report.rounds} rounds in ${report.seconds.toFixed(1)} s (joined in ${report.joinSeconds.toFixed(1)} s)`,
    `${report.roundsPerMinute.toFixed(1)} rounds a minute, ${report.updatesPerSecond.toFixed(0)} updates a second of ${report.updateBytes} bytes (${report.encoding})`,
    times
      ? `acknowledged in ${times.p50.toFixed(0)} ms (median), ${times.p99.toFixed(0)} ms (99 of 100)`
      : 'no update was answered',
    `outcomes: ${JSON.stringify(updates.outcomes)}, faults: ${JSON.stringify(report.injectedFaults)}`,
    ...(server
      ? [
          `server: ${server.cpuSeconds.toFixed(2)} s of processor time, ${(server.cpuSecondsPerMegabyte * 1000).toFixed(1)} ms per MB of updates, at most ${(server.peakRssBytes / 1e6).toFixed(0)} MB of memory`,
        ]
      : []),
    ...report.violations.map((what) => `VIOLATION: ${what}`),
    '',
  ].join('\n');
}
