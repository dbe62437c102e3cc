import { initialState, serializeState } from '@chorale/coordinator';
import type { RoundTiming } from '@chorale/coordinator';
import type { ModelPiece, PublicRun, ResolvedRun, RunDetail } from '@chorale/protocol';
import {
  ChoraleError,
  ENDED_STATUSES,
  canonicalJson,
  resolvedRunSchema,
  largestUpdateBytes,
  updateBytes,
} from '@chorale/protocol';
import type { StoredRun } from '@chorale/store';
import type { DataDirectory } from '../dataDirectory.ts';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import type { PreparedRun } from '../runSetup.ts';
import { newRun } from '../runSetup.ts';
import type { Evaluation, ServerParts } from '../serverParts.ts';
import type { RunAudience } from './runAudience.ts';
import { RunEpsilons } from './runEpsilons.ts';
import type { AdapterExport } from './adapterExport.ts';
import { exportAdapter } from './adapterExport.ts';
import { NO_PRIVACY } from './modelCard.ts';
import { RunHost } from './runHost.ts';
import { publicRun, runDetail } from './runViews.ts';
import { steadyClock } from './steadyClock.ts';

export type RunRegistryOptions = {
  data: DataDirectory;
  parts: ServerParts;
  audience: RunAudience;
  timing: RoundTiming;
  /** `none`: the bytes of a round's updates go when it is aggregated; keys and hashes stay. */
  keepUpdates: 'none' | 'all';
  log: Log;
  observer: Observer;
};

/** How a config whose run has ended comes to another one. */
const AGAIN =
  'For another run start the server once with --new-run, or give the config another name; contributors spend their epsilon anew in it';

/** Six digits and a comma: no run has a round beyond 100,000. */
const ROUND_JSON_BYTES = 7;

/**
 * All runs of the data directory: those that ended can be read, the others go on. One that this version cannot open is
 * left as it is, and the others go on without it.
 */
export class RunRegistry {
  readonly #options: RunRegistryOptions;
  readonly #now = steadyClock();
  readonly #hosts = new Map<string, RunHost>();
  /** Name in its config → why a run of that name that has not ended could not be opened. */
  readonly #unopened = new Map<string, unknown>();
  /** Name in its config → the newest run of it, when that has ended and cannot be read. */
  readonly #unread = new Map<string, string>();
  /** Of the models of all runs, by hash. */
  readonly #pieces = new Map<string, ModelPiece>();

  /** @throws {ChoraleError} a STORE_ code: the runs cannot be listed */
  constructor(options: RunRegistryOptions) {
    this.#options = options;
    for (const stored of options.data.store.listRuns()) {
      if (ENDED_STATUSES.includes(stored.status)) this.#openEnded(stored);
      else this.#openGoing(stored);
    }
  }

  /** Starts the clocks of all runs; to be called when contributors can be reached. */
  start(): void {
    for (const host of this.#hosts.values()) {
      try {
        host.start();
      } catch (error) {
        const { runId } = host.run;
        this.#options.log.error({ err: error, runId }, `run ${runId} could not be started; the others go on`);
      }
    }
  }

  /**
   * For a shutdown: takes nothing more in, and lets what a run is in the middle of come to an end. Nobody is waited for;
   * the next start goes on from what is stored.
   * @param deadlineMs the longest this takes
   * @returns whether every run came to rest in this time
   */
  async park(deadlineMs: number): Promise<boolean> {
    const parked = Promise.all(this.list().map((host) => host.park()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), deadlineMs);
    });
    const inTime = await Promise.race([parked.then(() => true), late]);
    clearTimeout(timer);
    return inTime;
  }

  close(): void {
    for (const host of this.#hosts.values()) host.close();
  }

  /** Oldest first. */
  list(): RunHost[] {
    return [...this.#hosts.values()];
  }

  find(runId: string): RunHost | undefined {
    return this.#hosts.get(runId);
  }

  /** @throws {ChoraleError} RUN_UNKNOWN */
  get(runId: string): RunHost {
    const host = this.#hosts.get(runId);
    if (host === undefined)
      throw new ChoraleError('RUN_UNKNOWN', 'expected the id of a run of this server; ask for a new link');
    return host;
  }

  /** The newest run that has not ended, else the newest. */
  current(): RunHost | undefined {
    const newestFirst = this.list().toReversed();
    return newestFirst.find((host) => !host.ended) ?? newestFirst[0];
  }

  /**
   * The run of this plan that has not ended; else the newest run of its name when that has ended; else a new one. A server
   * that is started again by itself must not begin a run anew: contributors would pay for it again.
   * @param newRun whether a new run follows one that has ended
   * @throws {ChoraleError} CONFIG_INVALID or a STORE_ code: a run of this name has not ended and could not be opened, and
   *   a new one beside it would start from zero what contributors think goes on; or it has ended and cannot be shown
   */
  resumeOrCreate(prepared: PreparedRun, newRun: boolean): RunHost {
    const going = this.list().findLast((host) => !host.ended && host.run.planHash === prepared.planHash);
    if (going !== undefined) return going;
    const { name } = prepared.plan.config;
    if (this.#unopened.has(name)) throw this.#unopened.get(name);
    if (newRun) return this.create(prepared);
    const unread = this.#unread.get(name);
    if (unread !== undefined) {
      throw new ChoraleError(
        'CONFIG_INVALID',
        `expected a config without a run, run ${unread} of "${name}" has ended and this version cannot show it. ${AGAIN}`,
      );
    }
    const newest = this.list().findLast(({ run }) => run.plan.config.name === name);
    if (newest === undefined || !newest.ended) return this.create(prepared);
    const { status, reason } = newest.view();
    this.#options.log.warn(
      { runId: newest.run.runId, status, reason },
      `run ${newest.run.runId} of "${name}" has ended (${status}); it is shown as it is, and no new run starts. ${AGAIN}`,
    );
    return newest;
  }

  create(prepared: PreparedRun): RunHost {
    const { store } = this.#options.data;
    const nowMs = this.#now();
    const run = newRun(prepared);
    const stored: StoredRun = {
      run,
      createdAtMs: nowMs,
      status: 'recruiting',
      engineState: serializeState(initialState(nowMs)),
      evaluationSha256: prepared.evaluationSha256,
    };
    store.createRun(stored, Float64Array.from(prepared.initialParameters), {
      round: 0,
      attempt: 1,
      cohort: 0,
      received: 0,
      adapterVersion: 0,
      testAccuracy: null,
      testLoss: null,
      spentEpsilon: run.plan.config.privacy.unit === 'none' ? null : 0,
      localMetrics: null,
      uplinkBytes: updateBytes(run.plan, 1),
      durationMs: 0,
    });
    this.#options.log.info({ runId: run.runId }, `created run ${run.runId}`);
    return this.#open(stored);
  }

  publicRun(host: RunHost): PublicRun {
    return publicRun(host, this.#options.data.store);
  }

  detail(host: RunHost): Promise<RunDetail> {
    return runDetail(host, this.#options.data.store);
  }

  /** The largest part of a message in any run: an update, or the list of all rounds in a join. */
  largestMessageBytes(): number {
    const largestOf = ({ plan }: ResolvedRun): number =>
      Math.max(largestUpdateBytes(plan), ROUND_JSON_BYTES * plan.config.rounds.count);
    return Math.max(0, ...this.list().map(({ run }) => largestOf(run)));
  }

  /** A piece of a model by its hash; undefined when no run has it. */
  modelPiece(sha256: string): ModelPiece | undefined {
    return this.#pieces.get(sha256);
  }

  /** See `exportAdapter`. */
  exportAdapter(host: RunHost): Promise<AdapterExport> {
    const { parts, data } = this.#options;
    return exportAdapter(host.run, { data, parts, epsilons: host.epsilons });
  }

  /** One that cannot go on must not keep the others from it, and is never begun anew without a word. */
  #openGoing(stored: StoredRun): void {
    const { runId } = stored.run;
    try {
      requireThisVersion(stored.run);
      this.#open(stored);
      this.#unread.delete(stored.run.plan.config.name);
    } catch (error) {
      this.#unopened.set(stored.run.plan.config.name, error);
      this.#options.log.error(
        { err: error, runId },
        `run ${runId} cannot be opened and does not go on; its data stay`,
      );
    }
  }

  /** What ended need only be read, so no version of the program is too new for it to serve the others. */
  #openEnded(stored: StoredRun): void {
    const { name } = stored.run.plan.config;
    try {
      this.#open({ ...stored, run: resolvedRunSchema.parse(stored.run) });
      this.#unread.delete(name);
    } catch (error) {
      this.#unread.set(name, stored.run.runId);
      this.#options.log.warn(
        { err: error, runId: stored.run.runId },
        `run ${stored.run.runId} has ended and cannot be read by this version of Chorale; it is left out, its data stay`,
      );
    }
  }

  #open(stored: StoredRun): RunHost {
    const { data, audience, parts, timing, keepUpdates, observer } = this.#options;
    const { run } = stored;
    const log = this.#options.log.child({ runId: run.runId });
    const host = new RunHost({
      stored,
      store: data.store,
      audience,
      evaluation: this.#evaluation(stored),
      epsilons: new RunEpsilons(
        run.plan.config.privacy.unit === 'none'
          ? null
          : (rounds, urgency) => parts.priceRounds(run.plan, rounds, urgency),
      ),
      localCountsNoiseStdDev: parts.localCountsNoiseStdDev(run.plan),
      timing,
      keepUpdates: keepUpdates === 'all',
      log,
      observer,
      now: this.#now,
    });
    this.#hosts.set(run.runId, host);
    for (const piece of run.plan.model.files.flatMap((file) => file.pieces)) {
      this.#pieces.set(piece.sha256, piece);
    }
    if (run.plan.config.privacy.unit === 'none') log.warn(`run ${run.runId}: ${NO_PRIVACY}`);
    return host;
  }

  /** Opened with the first evaluation: a run that ended needs no model in memory. */
  #evaluation({ run, evaluationSha256 }: StoredRun): Evaluation | null {
    const { config } = run.plan;
    if (evaluationSha256 === null || config.evaluation === undefined) return null;
    const { parts, data } = this.#options;
    const fileName = config.evaluation.file;
    let opened: Evaluation | undefined;
    const open = (): Evaluation => {
      const { rows } = parts.parseLabelledRows(data.files.read(evaluationSha256), fileName, config.task);
      const model = { directory: data.files.directory, files: run.plan.model.files };
      return parts.openEvaluation({ model, config, rows: [...rows] });
    };
    return {
      // Async, so that what fails on the way is a failed evaluation too.
      async evaluate(parameters) {
        opened ??= open();
        return opened.evaluate(parameters);
      },
      dispose() {
        opened?.dispose();
        opened = undefined;
      },
    };
  }
}

/**
 * A plan says all that contributors agreed to. One that this version would read differently, even by filling in a default
 * that its hash does not cover, is not run.
 */
function requireThisVersion(run: ResolvedRun): void {
  const read = resolvedRunSchema.safeParse(run);
  if (read.success && canonicalJson(read.data) === canonicalJson(run)) return;
  throw new ChoraleError(
    'CONFIG_INVALID',
    `expected runs of this version of Chorale in the data directory, found run ${run.runId} of another; start with another --data-dir, or this one with the version that made it`,
  );
}
