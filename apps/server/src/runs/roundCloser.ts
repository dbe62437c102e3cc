import type { ClosedRound } from '@chorale/coordinator';
import { nextAdapter } from '@chorale/coordinator';
import type { RoundRecord, RunPlan } from '@chorale/protocol';
import { ChoraleError, trainedRangeOf, updateBytes, wireError } from '@chorale/protocol';
import type { Store, StoredAdapter } from '@chorale/store';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import type { EngineDriver } from './engineDriver.ts';
import type { LedgerMirror } from './ledgerMirror.ts';
import type { RoundSum, RoundTotal } from './roundSum.ts';
import type { RunEpsilons } from './runEpsilons.ts';

export type RoundCloserOptions = {
  runId: string;
  plan: RunPlan;
  store: Store;
  engine: EngineDriver;
  sum: RoundSum;
  ledgers: LedgerMirror;
  epsilons: RunEpsilons;
  /** Noise in each of the two local counts of a contributor; null when the run asks for none. */
  localCountsNoiseStdDev: number | null;
  /** Whether the bytes of a round's updates stay when it is aggregated. */
  keepUpdates: boolean;
  now: () => number;
  log: Log;
  observer: Observer;
};

type NextVersion = { adapter: StoredAdapter; record: RoundRecord };

/** Turns a closed round into the next adapter version and its record, and has the run go on. */
export class RoundCloser {
  readonly #options: RoundCloserOptions;

  constructor(options: RoundCloserOptions) {
    this.#options = options;
  }

  /** Starts it; tried again until it is done. Nothing to do when no round is closed. */
  close(): void {
    const closed = this.#closed();
    if (closed === undefined) return;
    // Taken once, so that nobody holds the round up by adding to hers
    const charged = this.#options.ledgers.most();
    this.#options.engine.retries.run('aggregate the round', () => this.#aggregate(closed.round, charged));
  }

  #closed(): ClosedRound | undefined {
    const { phase } = this.#options.engine.state.durable;
    return phase.status === 'aggregating' ? phase.closed : undefined;
  }

  /** @param charged rounds of the contributor who was charged most when the round closed */
  #aggregate(round: number, charged: number): void {
    const closed = this.#closed();
    if (closed?.round !== round) return;
    const { engine, epsilons, runId, log, observer } = this.#options;
    const again = () => this.#aggregate(round, charged);
    if (!epsilons.has(charged)) {
      epsilons.prepare([charged], 'urgent').then(
        () => engine.retries.run('aggregate the round', again),
        (error: unknown) => engine.retries.again('price the round', again, error),
      );
      return;
    }
    const startedMs = performance.now();
    let next: NextVersion;
    try {
      next = this.#nextVersion(closed, charged);
    } catch (error) {
      if (isRetryableStoreError(error)) throw error; // tried again
      log.error({ err: error, round }, 'the round could not be aggregated');
      observer.roundClosed(runId, 'failed', this.#secondsSince(closed));
      const message = `round ${round} could not be aggregated: ${wireError(error).message}`;
      return engine.dispatch({ type: 'aggregation-failed', message });
    }
    this.#store(closed, next, startedMs);
  }

  #nextVersion(closed: ClosedRound, charged: number): NextVersion {
    const { runId, plan, store, sum, epsilons, engine } = this.#options;
    const { round } = closed;
    const { adapterVersion } = engine.state.durable;
    const current = store.getAdapter(runId, adapterVersion);
    if (current === undefined) {
      throw new ChoraleError('STORE_ERROR', `expected adapter version ${adapterVersion}, it is not stored`);
    }
    const received = engine.state.received.size;
    const total = sum.total(round, received);
    const adapter = nextAdapter(current, total.meanUpdate, {
      optimizer: plan.config.aggregation.serverOptimizer,
      range: trainedRangeOf(plan, round),
    });
    const record: RoundRecord = {
      round,
      attempt: closed.attempt,
      cohort: closed.cohort.size,
      received,
      adapterVersion: adapterVersion + 1,
      testAccuracy: null,
      testLoss: null,
      spentEpsilon: epsilons.of(charged),
      localMetrics: this.#localMetrics(total),
      uplinkBytes: updateBytes(plan, round),
      durationMs: Math.max(0, this.#options.now() - closed.startedAtMs),
    };
    return { adapter: { adapterVersion: adapterVersion + 1, ...adapter }, record };
  }

  #store(closed: ClosedRound, { adapter, record }: NextVersion, startedMs: number): void {
    const { runId, store, sum, engine, keepUpdates, log, observer } = this.#options;
    engine.dispatch({ type: 'aggregated' }, (row) =>
      // The step to the next phase always changes what is stored
      store.closeRound(runId, adapter, record, row!, keepUpdates),
    );
    sum.forget();
    const seconds = (performance.now() - startedMs) / 1000;
    observer.aggregated(runId, seconds);
    observer.roundClosed(runId, 'aggregated', this.#secondsSince(closed));
    log.info({ round: closed.round, received: record.received, seconds }, 'aggregated the round');
  }

  /** The cohort's noisy counts together. The noises are independent, so their variances add. */
  #localMetrics({ localCounts: { correct, rows, contributors } }: RoundTotal): RoundRecord['localMetrics'] {
    const { localCountsNoiseStdDev } = this.#options;
    if (localCountsNoiseStdDev === null) return null;
    return { correct, rows, noiseStdDev: localCountsNoiseStdDev * Math.sqrt(contributors) };
  }

  #secondsSince({ startedAtMs }: ClosedRound): number {
    return Math.max(0, this.#options.now() - startedAtMs) / 1000;
  }
}

function isRetryableStoreError(error: unknown): boolean {
  return error instanceof ChoraleError && (error.code === 'STORE_ERROR' || error.code === 'STORE_FULL');
}
