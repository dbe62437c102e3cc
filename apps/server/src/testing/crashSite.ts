import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nextAdapter, openAggregate } from '@chorale/coordinator';
import type { PublicRun, ResolvedRun, RoundRecord, RunConfigInput } from '@chorale/protocol';
import { bindingOf, decodeUpdate, trainedRangeOf } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { openSqliteStore } from '@chorale/store';
import { sha256Of } from '../fileStore.ts';
import type { CrashContributor } from './crashContributor.ts';
import type { CrashServerOptions } from './crashServer.ts';

const PROGRAM = fileURLToPath(new URL('./crashServer.ts', import.meta.url));
/** No life of a server is longer without its end. */
const STUCK_MS = 180_000;

/** Half of a start is compiling: what one life compiled the next ones take from here. */
const compileCache = join(tmpdir(), 'chorale-crash-compile-cache');

export type CrashConfig = Pick<RunConfigInput, 'rounds'> & Partial<RunConfigInput>;

/** What a run comes to, of what is on the disk and of what its contributors were told. */
export type RunOutcome = {
  /** Of every record, the SHA-256 of its adapter in float64. */
  adapters: string[];
  /** The same, made again of the updates that are stored; null of a round whose bytes are gone. */
  recomputed: (string | null)[];
  records: Pick<
    RoundRecord,
    'round' | 'received' | 'adapterVersion' | 'testAccuracy' | 'testLoss' | 'localMetrics'
  >[];
  /** Of every record, the local counts of the stored updates together; null of a round whose bytes are gone. */
  recounted: ({ correct: number; rows: number } | null)[];
  /** Round → number of updates that are stored. */
  stored: number[];
  acknowledged: number;
  /** Acknowledged updates that are not stored as they were sent. */
  lost: string[];
  refusals: string[];
  duplicates: number;
  resent: number;
  late: number;
};

/** One life of the server. */
export class CrashServer {
  /** Resolves with the ids of its runs when it serves; never when it is killed before. */
  readonly ready: Promise<string[]>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #stopped = false;
  #said = '';

  get pid(): number {
    return this.#child.pid!;
  }

  constructor(options: CrashServerOptions) {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    });
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => (this.#said += chunk.toString()));
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', (line) => resolve(line.split(' ')));
      child.once('exit', (code) => {
        if (!this.#stopped) reject(new Error(`the server ended by itself (${code}): ${this.#said}`));
      });
    });
    this.ready.catch(() => undefined);
  }

  /** When all of them are over. */
  async completed(url: string, runIds: readonly string[]): Promise<'completed'> {
    for (const runId of runIds) await this.#completed(`${url}api/runs/${runId}`);
    return 'completed';
  }

  async #completed(address: string): Promise<void> {
    const end = Date.now() + STUCK_MS;
    for (;;) {
      const { state } = await fetch(address)
        .then((response) => response.json() as Promise<Partial<PublicRun>>)
        .catch((): Partial<PublicRun> => ({}));
      if (state?.status === 'completed') return;
      if (this.#stopped) return new Promise(() => undefined);
      if (state?.status === 'failed' || Date.now() > end)
        throw new Error(
          `expected a run that goes on, it is ${state?.status}: ${state?.reason}; the server said: ${this.#said}`,
        );
      await sleep(20);
    }
  }

  /** SIGKILL: nothing of it runs any more when this resolves. */
  async kill(): Promise<void> {
    this.#stopped = true;
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

/** Configs of runs, with a model and a test file beside them. */
export function writeSite(
  directory: string,
  configs: readonly CrashConfig[],
): { configPaths: string[]; dataDir: string } {
  mkdirSync(join(directory, 'model'));
  writeFileSync(join(directory, 'model/config.json'), '{}');
  writeFileSync(join(directory, 'model/weights.bin'), Uint8Array.of(1, 2, 3));
  writeFileSync(join(directory, 'test.tsv'), 'one\ntwo\n');
  const configPaths = configs.map((config, k) => {
    const whole: RunConfigInput = {
      name: `Crash ${k}`,
      model: 'model',
      task: { type: 'sequence-classification', labels: ['no', 'yes'] },
      training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
      privacy: { unit: 'none' },
      evaluation: { file: 'test.tsv' },
      ...config,
    };
    const path = join(directory, `run-${k}.json`);
    writeFileSync(path, JSON.stringify(whole));
    return path;
  });
  return { configPaths, dataDir: join(directory, 'data') };
}

/** @param contributors by run */
export function readOutcomes(
  databasePath: string,
  contributors: ReadonlyMap<string, readonly CrashContributor[]>,
): RunOutcome[] {
  const store = openSqliteStore(databasePath);
  try {
    const stored = store.listRuns();
    if (stored.length !== contributors.size)
      throw new Error(`expected ${contributors.size} runs, got ${stored.length}`);
    return [...contributors].map(([runId, ofRun]) =>
      readOutcome(store, stored.find(({ run }) => run.runId === runId)!.run, ofRun),
    );
  } finally {
    store.close();
  }
}

function readOutcome(store: Store, run: ResolvedRun, contributors: readonly CrashContributor[]): RunOutcome {
  const { runId } = run;
  const records = store.listRecords(runId);
  const remade = records.map(({ round }) => remakeRound(store, run, round));
  const lost = contributors.flatMap(({ identity, acknowledged }) =>
    [...acknowledged]
      .filter(([round, sha256]) => store.getUpdateHash(runId, round, identity!.contributorId) !== sha256)
      .map(([round]) => `${identity!.contributorId}, round ${round}`),
  );
  return {
    adapters: records.map(({ adapterVersion }) =>
      hashOfNumbers(store.getAdapter(runId, adapterVersion)!.parameters),
    ),
    recomputed: remade.map((round) => round && hashOfNumbers(round.parameters)),
    recounted: remade.map((round) => round && round.localCounts),
    records: records.map(({ round, received, adapterVersion, testAccuracy, testLoss, localMetrics }) => ({
      round,
      received,
      adapterVersion,
      testAccuracy,
      testLoss,
      localMetrics,
    })),
    stored: records.map(({ round }) => store.receivedContributors(runId, round).length),
    acknowledged: contributors.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0),
    lost,
    refusals: contributors.flatMap(({ refusals }) => refusals),
    duplicates: contributors.reduce((sum, one) => sum + one.duplicates, 0),
    resent: contributors.reduce((sum, one) => sum + one.resent, 0),
    late: contributors.reduce((sum, one) => sum + one.late, 0),
  };
}

/** The adapter of a round and its local counts, of the updates that are stored of it and the adapter before. */
function remakeRound(
  store: Store,
  run: ResolvedRun,
  round: number,
): { parameters: Float64Array; localCounts: { correct: number; rows: number } } | null {
  const { aggregation } = run.plan.config;
  const updates = [...store.eachUpdate(run.runId, round)].map(({ bytes }) =>
    decodeUpdate(bytes, bindingOf(run)),
  );
  if (updates.length === 0) return null;
  const range = trainedRangeOf(run.plan, round);
  const aggregate = openAggregate(aggregation, range.end - range.start);
  for (const { values } of updates) aggregate.add(values);
  const before = store.getAdapter(run.runId, round - 1)!;
  const { parameters } = nextAdapter(before, aggregate.finish(), {
    optimizer: aggregation.serverOptimizer,
    range,
  });
  const localCounts = { correct: 0, rows: 0 };
  for (const one of updates) {
    localCounts.correct += one.localCounts?.correct ?? 0;
    localCounts.rows += one.localCounts?.rows ?? 0;
  }
  return { parameters, localCounts };
}

function hashOfNumbers({ buffer, byteOffset, byteLength }: Float64Array): string {
  return sha256Of(new Uint8Array(buffer, byteOffset, byteLength));
}
