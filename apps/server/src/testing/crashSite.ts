import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { PublicRun, RoundRecord, RunConfigInput } from '@chorale/protocol';
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
  records: Pick<RoundRecord, 'round' | 'received' | 'adapterVersion' | 'testAccuracy' | 'testLoss'>[];
  /** Round → number of updates that are stored. */
  stored: number[];
  acknowledged: number;
  /** Acknowledged updates that are not stored as they were sent. */
  lost: string[];
  refusals: string[];
  duplicates: number;
  late: number;
};

/** One life of the server. */
export class CrashServer {
  /** Resolves with the run's id when it serves; never when it is killed before. */
  readonly ready: Promise<string>;
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
      createInterface({ input: child.stdout }).once('line', resolve);
      child.once('exit', (code) => {
        if (!this.#stopped) reject(new Error(`the server ended by itself (${code}): ${this.#said}`));
      });
    });
    this.ready.catch(() => undefined);
  }

  async completed(url: string, runId: string): Promise<'completed'> {
    const end = Date.now() + STUCK_MS;
    for (;;) {
      const { state } = await fetch(`${url}api/runs/${runId}`)
        .then((response) => response.json() as Promise<Partial<PublicRun>>)
        .catch((): Partial<PublicRun> => ({}));
      if (state?.status === 'completed') return 'completed';
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

/** A run's config, with a model and a test file beside it. */
export function writeSite(directory: string, config: CrashConfig): { configPath: string; dataDir: string } {
  mkdirSync(join(directory, 'model'));
  writeFileSync(join(directory, 'model/config.json'), '{}');
  writeFileSync(join(directory, 'model/weights.bin'), Uint8Array.of(1, 2, 3));
  writeFileSync(join(directory, 'test.tsv'), 'one\ntwo\n');
  const whole: RunConfigInput = {
    name: 'Crash',
    model: 'model',
    task: { type: 'sequence-classification', labels: ['no', 'yes'] },
    training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
    privacy: { unit: 'none' },
    evaluation: { file: 'test.tsv' },
    ...config,
  };
  const configPath = join(directory, 'run.json');
  writeFileSync(configPath, JSON.stringify(whole));
  return { configPath, dataDir: join(directory, 'data') };
}

export function readResult(databasePath: string, contributors: readonly CrashContributor[]): RunOutcome {
  const store = openSqliteStore(databasePath);
  try {
    const [stored, ...more] = store.listRuns();
    if (stored === undefined || more.length > 0) throw new Error(`expected one run, got ${1 + more.length}`);
    const { runId } = stored.run;
    const records = store.listRecords(runId);
    const adapters = records.map(({ adapterVersion }) => {
      const { parameters } = store.getAdapter(runId, adapterVersion)!;
      return sha256Of(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength));
    });
    const lost = contributors.flatMap(({ identity, acknowledged }) =>
      [...acknowledged]
        .filter(([round, sha256]) => store.getUpdateHash(runId, round, identity!.contributorId) !== sha256)
        .map(([round]) => `${identity!.contributorId}, round ${round}`),
    );
    return {
      adapters,
      records: records.map(({ round, received, adapterVersion, testAccuracy, testLoss }) => ({
        round,
        received,
        adapterVersion,
        testAccuracy,
        testLoss,
      })),
      stored: records.map(({ round }) => store.receivedContributors(runId, round).length),
      acknowledged: contributors.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0),
      lost,
      refusals: contributors.flatMap(({ refusals }) => refusals),
      duplicates: contributors.reduce((sum, one) => sum + one.duplicates, 0),
      late: contributors.reduce((sum, one) => sum + one.late, 0),
    };
  } finally {
    store.close();
  }
}
