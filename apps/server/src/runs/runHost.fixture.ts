import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_ROUND_TIMING, initialState, serializeState } from '@chorale/coordinator';
import type { LocalCounts, Privatized } from '@chorale/privacy';
import type { Identity, ResolvedRun, RoundEndMessage, RoundRecord, RunConfigInput } from '@chorale/protocol';
import { bindingOf, encodeUpdate, hashPlan, parseRunConfig, updateBytes } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { openSqliteStore } from '@chorale/store';
import type { Who } from '../access/admission.ts';
import { randomToken } from '../identity.ts';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import { noObserver } from '../observer.ts';
import type { Evaluation } from '../serverParts.ts';
import { recordedLog } from '../testing/recordedLog.ts';
import type { RunHostOptions } from './runHost.ts';
import { RunHost } from './runHost.ts';
import type { PriceRounds } from './runEpsilons.ts';
import { RunEpsilons } from './runEpsilons.ts';
import { steadyClock } from './steadyClock.ts';

export type HostSiteOptions = {
  config?: Partial<RunConfigInput>;
  parameterCount?: number;
  keepUpdates?: boolean;
  evaluation?: Evaluation;
  priceRounds?: PriceRounds;
  priceLimitMs?: number;
  /** Instead of `logged`. */
  log?: Log;
  observer?: Partial<Observer>;
  /** Stands between the host and the real store. */
  wrap?: (store: Store) => Store;
};

/** One run on a real SQLite file and the real engine, without sockets. */
export class HostSite {
  readonly directory = mkdtempSync(join(tmpdir(), 'chorale-host-'));
  readonly run: ResolvedRun;
  readonly ends: RoundEndMessage[] = [];
  readonly records: RoundRecord[] = [];
  readonly starts: { contributorId: string; round: number; attempt: number }[] = [];
  readonly logged = recordedLog();
  store: Store;
  host: RunHost;
  readonly #options: HostSiteOptions;
  readonly #identities = new Map<string, Identity>();

  private constructor(run: ResolvedRun, options: HostSiteOptions) {
    this.run = run;
    this.#options = options;
    this.store = openSqliteStore(join(this.directory, 'test.sqlite'));
    this.store.createRun(
      {
        run,
        createdAtMs: 1,
        status: 'recruiting',
        engineState: serializeState(initialState(1)),
        evaluationSha256: null,
      },
      new Float64Array(run.plan.parameterCount),
      {
        round: 0,
        attempt: 1,
        cohort: 0,
        received: 0,
        adapterVersion: 0,
        testAccuracy: null,
        testLoss: null,
        spentEpsilon: null,
        localMetrics: null,
        uplinkBytes: updateBytes(run.plan, 1),
        durationMs: 0,
      },
    );
    this.host = this.#open();
  }

  static async open(options: HostSiteOptions = {}): Promise<HostSite> {
    const parameterCount = options.parameterCount ?? 4;
    const config = parseRunConfig({
      name: 'Host',
      task: { type: 'sequence-classification', labels: ['no', 'yes'] },
      training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
      privacy: { unit: 'none' },
      rounds: { count: 2, cohortSize: 3, minimumUpdates: 1, deadlineSeconds: 60 },
      ...options.config,
    });
    const plan: ResolvedRun['plan'] = {
      config,
      noiseMultiplier: 0,
      model: { name: 'model', source: null, files: [] },
      basisHash: 'a'.repeat(64),
      parameterCount,
      tensors: [{ name: 'one', count: parameterCount }],
      trainedRanges: [{ start: 0, end: parameterCount }],
    };
    return new HostSite({ runId: 'host-00000000', plan, planHash: await hashPlan(plan) }, options);
  }

  #open(): RunHost {
    const { wrap = (store) => store, keepUpdates = false, evaluation = null, observer } = this.#options;
    const options: RunHostOptions = {
      stored: this.store.getRun(this.run.runId)!,
      store: wrap(this.store),
      audience: {
        startRound: (contributorIds, { round, attempt }) => {
          for (const contributorId of contributorIds) this.starts.push({ contributorId, round, attempt });
        },
        endRound: (contributorIds, message) => {
          for (const _ of contributorIds) this.ends.push(message);
        },
        roundRecord: (_, record) => this.records.push(record),
        changed: () => undefined,
        dropConnection: () => undefined,
      },
      evaluation,
      epsilons: new RunEpsilons(this.#options.priceRounds ?? null),
      priceLimitMs: this.#options.priceLimitMs,
      localCountsNoiseStdDev: this.run.plan.config.localMetrics ? 3 : null,
      timing: { ...DEFAULT_ROUND_TIMING, backoffMs: 1, reconnectGraceMs: 50 },
      keepUpdates,
      log: this.#options.log ?? this.logged.log,
      observer: { ...noObserver, ...observer },
      now: steadyClock(),
    };
    const host = new RunHost(options);
    host.start();
    return host;
  }

  /** As after a crash: nothing but the file is left. */
  reopen(): void {
    this.host.close();
    this.store.close();
    this.store = openSqliteStore(join(this.directory, 'test.sqlite'));
    this.host = this.#open();
  }

  /** So many new contributors, joined, in the order of their ids. */
  join(count: number): string[] {
    const ids = Array.from({ length: count }, () => this.#join({ newToken: randomToken(), inviteId: null }));
    return ids.toSorted();
  }

  /** All who ever joined come back. */
  rejoin(): void {
    for (const identity of this.#identities.values()) this.#join(identity);
  }

  #join(who: Who): string {
    const { planHash, plan } = this.run;
    const { contributorId, token } = this.host.join(
      who,
      {
        planHash,
        basisHash: plan.basisHash,
        backend: 'wasm',
        availability: 'available',
        chargedRounds: [],
      },
      'socket',
    );
    this.#identities.set(contributorId, { contributorId, token });
    return contributorId;
  }

  encode(round: number, values: readonly number[], counts: LocalCounts | null = null): Uint8Array {
    // The one place where a test says of numbers that they are privatized.
    const update = { values: Float32Array.from(values) } as unknown as Privatized<Float32Array>;
    const localCounts = counts && ({ values: counts } as unknown as Privatized<LocalCounts>);
    return encodeUpdate(update, round, bindingOf(this.run), localCounts);
  }

  /** Sends one; what became of it in one word: "accepted", "duplicate", or the code of its error. */
  async send(contributorId: string, round: number, payload: Uint8Array | readonly number[]): Promise<string> {
    const bytes = payload instanceof Uint8Array ? payload : this.encode(round, payload);
    try {
      const { duplicate } = await this.host.receiveUpdate(contributorId, round, bytes);
      return duplicate ? 'duplicate' : 'accepted';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  }

  adapter(version: number): Float64Array | undefined {
    return this.store.getAdapter(this.run.runId, version)?.parameters;
  }

  clean(): void {
    this.host.close();
    this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
