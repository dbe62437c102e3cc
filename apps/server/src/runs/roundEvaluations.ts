import { wireError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { TestMetrics } from '../evaluation/testMetrics.ts';
import { measureAdapter } from '../evaluation/testMetrics.ts';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import type { Evaluation } from '../serverParts.ts';
import type { EngineDriver } from './engineDriver.ts';
import type { GlobalAdapters } from './globalAdapters.ts';
import type { RunAudience } from './runAudience.ts';

export type RoundEvaluationsOptions = {
  runId: string;
  store: Store;
  engine: EngineDriver;
  adapters: GlobalAdapters;
  /** Null when the run has no test file. */
  evaluation: Evaluation | null;
  audience: RunAudience;
  log: Log;
  observer: Observer;
};

/**
 * Measures adapter versions on the public test rows. The engine waits for one only so long; what comes later is written
 * into the round's record all the same.
 */
export class RoundEvaluations {
  readonly #options: RoundEvaluationsOptions;
  #running = 0;
  #stopped = false;
  #released = false;

  constructor(options: RoundEvaluationsOptions) {
    this.#options = options;
  }

  /** Version 0, unless it was measured before. */
  measureStart(): void {
    const { store, runId, evaluation } = this.#options;
    const [initial] = store.listRecords(runId);
    if (evaluation !== null && initial?.testAccuracy === null) this.measure(0, 0);
  }

  /** Starts measuring one adapter version; the result goes into the record of its round, whatever the run does meanwhile. */
  measure(round: number, adapterVersion: number): void {
    if (!this.#stopped) void this.#measure(round, adapterVersion);
  }

  /** Starts no more; what is not measured is owed at the next start. */
  park(): void {
    this.#stopped = true;
  }

  /** The thread and the model in it can go, as soon as nothing is measured any more. */
  release(): void {
    this.#released = true;
    if (this.#running === 0) this.#options.evaluation?.dispose();
  }

  close(): void {
    this.#stopped = true;
    this.#options.evaluation?.dispose();
  }

  async #measure(round: number, adapterVersion: number): Promise<void> {
    const { runId, engine, evaluation, adapters, log, observer } = this.#options;
    const startedMs = performance.now();
    const told = (outcome: 'measured' | 'failed'): void => {
      if (evaluation !== null) observer.evaluated(runId, outcome, (performance.now() - startedMs) / 1000);
    };
    let metrics: TestMetrics | null = null;
    let warning: string | null = null;
    this.#running++;
    try {
      metrics = await measureAdapter(evaluation, adapters.parameters(adapterVersion));
      told('measured');
    } catch (error) {
      if (this.#stopped) return;
      told('failed');
      log.warn({ err: error, round }, `the evaluation of round ${round} failed`);
      warning = `the evaluation of round ${round} failed: ${wireError(error).message}`;
    } finally {
      this.#running--;
      if (this.#released) this.release();
    }
    engine.retries.run(`store the evaluation of round ${round}`, () => this.#store(round, metrics, warning));
  }

  #store(round: number, metrics: TestMetrics | null, warning: string | null): void {
    const { runId, store, engine, audience } = this.#options;
    const { phase } = engine.state.durable;
    if (phase.status === 'evaluating' && phase.closed.round === round) {
      engine.dispatch({ type: 'evaluated', warning }, (row) =>
        store.recordEvaluation(runId, round, metrics, row ?? undefined),
      );
    } else {
      store.recordEvaluation(runId, round, metrics);
    }
    const record = store.listRecords(runId).find((one) => one.round === round);
    if (record) audience.roundRecord(runId, record);
    audience.changed(runId);
  }
}
