import type { ClosedRound } from '@chorale/coordinator';
import { nextAdapter } from '@chorale/coordinator';
import type { RoundRecord, RunPlan } from '@chorale/protocol';
import { ChoraleError, trainedRangeOf, updateBytes, wireError } from '@chorale/protocol';
import type { Store, StoredAdapter } from '@chorale/store';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import type { EngineDriver } from './engineDriver.ts';
import { inSlices } from './inSlices.ts';
import type { LedgerMirror } from './ledgerMirror.ts';
import type { RoundSum, RoundTotal } from './roundSum.ts';
import type { RunAudience } from './runAudience.ts';
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
  audience: Pick<RunAudience, 'roundRecord' | 'changed'>;
  /** How long a closed round waits for its price; then its record is stored without. */
  priceLimitMs?: number | undefined;
};

const PRICE_LIMIT_MS = 180_000;
/** An accountant who failed is asked again for a record that has no price. */
const FILL_IN_MS = 60_000;
const AGGREGATE = 'aggregate the round';

/** A closed round on its way to the next adapter version. */
type Closing = {
  readonly round: number;
  /** Rounds of the contributor who was charged most when the round closed. */
  readonly charged: number;
  pricing: 'needed' | 'asked' | 'given-up';
  isSumming: boolean;
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
    const { ledgers, engine } = this.#options;
    // The charges are taken once, so that nobody holds the round up by adding to hers
    const closing: Closing = {
      round: closed.round,
      charged: ledgers.most(),
      pricing: 'needed',
      isSumming: false,
    };
    engine.retries.run(AGGREGATE, () => this.#aggregate(closing));
  }

  /** Prices the rounds that an accountant who gave no answer left without a price. */
  fillInEpsilons(): void {
    const { store, runId, epsilons, ledgers } = this.#options;
    if (!epsilons.protects) return;
    for (const { round, spentEpsilon } of store.listRecords(runId)) {
      // Of what is charged by now: no less than what was charged then
      if (spentEpsilon === null) this.#fillIn(round, ledgers.most());
    }
  }

  #closed(): ClosedRound | undefined {
    const { phase } = this.#options.engine.state.durable;
    return phase.status === 'aggregating' ? phase.closed : undefined;
  }

  #aggregate(closing: Closing): void {
    const { round, charged } = closing;
    const { engine, epsilons, sum } = this.#options;
    if (this.#closed()?.round !== round || closing.isSumming) return;
    if (closing.pricing !== 'given-up' && !epsilons.has(charged)) return this.#awaitPrice(closing);
    const startedMs = performance.now();
    let total: RoundTotal | Promise<RoundTotal>;
    try {
      total = inSlices(sum.total(round, engine.state.received.size));
    } catch (error) {
      return this.#fail(round, error);
    }
    if (!(total instanceof Promise)) return this.#finish(closing, total, startedMs);
    closing.isSumming = true;
    total
      .finally(() => (closing.isSumming = false))
      .then(
        (summed) => this.#finish(closing, summed, startedMs),
        (error: unknown) => this.#fail(round, error),
      )
      .catch((error: unknown) => engine.retries.again(AGGREGATE, () => this.#aggregate(closing), error));
  }

  /** @throws what is to be tried again */
  #finish({ round, charged }: Closing, total: RoundTotal, startedMs: number): void {
    const closed = this.#closed();
    if (closed?.round !== round) return; // the run was stopped meanwhile
    let next: NextVersion;
    try {
      next = this.#nextVersion(closed, total, charged);
    } catch (error) {
      return this.#fail(round, error);
    }
    this.#store(closed, next, startedMs);
    if (next.record.spentEpsilon !== null || !this.#options.epsilons.protects) return;
    this.#options.log.warn(
      { round },
      'the accountant gave no answer in time: the record of the round is stored without its epsilon, which is filled in when it comes',
    );
    this.#fillIn(round, charged);
  }

  /** @throws {unknown} the error, unless it would come again */
  #fail(round: number, error: unknown): void {
    const { runId, engine, sum, log, observer } = this.#options;
    const closed = this.#closed();
    if (closed?.round !== round) return;
    if (!isFinal(error)) {
      // What is stored is the truth, and read anew
      if (!isStoreError(error)) sum.forget();
      throw error;
    }
    log.error({ err: error, round }, 'the round could not be aggregated');
    const message = `round ${round} could not be aggregated: ${wireError(error).message}`;
    engine.dispatch({ type: 'aggregation-failed', message });
    observer.roundClosed(runId, 'failed', this.#secondsSince(closed));
  }

  #awaitPrice(closing: Closing): void {
    const { engine, epsilons, priceLimitMs = PRICE_LIMIT_MS } = this.#options;
    const aggregate = (): void => this.#aggregate(closing);
    if (closing.pricing === 'needed') {
      closing.pricing = 'asked';
      const giveUp = (): void => {
        closing.pricing = 'given-up';
        aggregate();
      };
      engine.retries.later(AGGREGATE, giveUp, priceLimitMs);
    }
    epsilons.prepare([closing.charged], 'urgent').then(
      () => engine.retries.run(AGGREGATE, aggregate),
      (error: unknown) => engine.retries.again('price the round', aggregate, error),
    );
  }

  #fillIn(round: number, charged: number): void {
    const { runId, store, engine, epsilons, audience } = this.#options;
    const fill = (): void => {
      const epsilon = epsilons.of(charged);
      if (epsilon === null) return;
      store.recordEpsilon(runId, round, epsilon);
      const record = store.listRecords(runId).find((one) => one.round === round);
      if (record) audience.roundRecord(runId, record);
      audience.changed(runId);
    };
    const ask = (): void =>
      void epsilons.prepare([charged], 'background').then(
        () => engine.retries.run('store what a round cost', fill),
        () => engine.retries.later('price a round', ask, FILL_IN_MS),
      );
    ask();
  }

  #nextVersion(closed: ClosedRound, total: RoundTotal, charged: number): NextVersion {
    const { runId, plan, store, epsilons, engine } = this.#options;
    const { round } = closed;
    const { adapterVersion } = engine.state.durable;
    const current = store.getAdapter(runId, adapterVersion);
    if (current === undefined) {
      throw new ChoraleError('STORE_ERROR', `expected adapter version ${adapterVersion}, it is not stored`);
    }
    const adapter = nextAdapter(current, total.meanUpdate, {
      optimizer: plan.config.aggregation.serverOptimizer,
      range: trainedRangeOf(plan, round),
    });
    const record: RoundRecord = {
      round,
      attempt: closed.attempt,
      cohort: closed.cohort.size,
      received: engine.state.received.size,
      adapterVersion: adapterVersion + 1,
      testAccuracy: null,
      testLoss: null,
      spentEpsilon: epsilons.has(charged) ? epsilons.of(charged) : null,
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

/** What is stored, or comes out of it, is not usable: it would be the same another time. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof ChoraleError)) return false;
  return error.code.startsWith('UPDATE_') || error.code === 'STORE_DAMAGED';
}

function isStoreError(error: unknown): boolean {
  return error instanceof ChoraleError && error.code.startsWith('STORE_');
}
