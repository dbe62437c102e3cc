import { proxy } from 'comlink';
import type { PrivacyPlan } from '@chorale/privacy';
import { reportEpsilon, roundEvent, spentEpsilonAfter } from '@chorale/privacy';
import type { PublicRun, RoundStartMessage, RunState } from '@chorale/protocol';
import { ENDED_STATUSES, PROTOCOL_VERSION, encodedBytes, wireError } from '@chorale/protocol';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { RunConnection, fetchRun } from './runConnection.ts';
import type { Contribution, StopReason } from './state.ts';
import type { StateStore } from './stateStore.ts';
import { clientError } from './stateStore.ts';
import type { TrainerRemote } from './workerLink.ts';

const RETRY_DELAY_MS = 2_000;

export type RoundLoopOptions = {
  serverUrl: string;
  run: PublicRun['run'];
  plan: PrivacyPlan;
  /** No round is computed that would bring the spent epsilon over this; Infinity for privacy.unit none. */
  epsilonLimit: number;
  ledger: Ledger;
  trainer: TrainerRemote;
  store: StateStore;
  /** Called once, when taking part is over, whatever the reason. */
  onEnded(): void;
};

/**
 * Takes part in a run until it ends: joins, computes an update for each round it is chosen for, and delivers it.
 * An update is written to the ledger before it leaves, and the same bytes are sent again until the server has
 * answered; a round in the ledger is never computed a second time.
 */
export class RoundLoop {
  readonly #options: RoundLoopOptions;
  readonly #connection: RunConnection;
  readonly #entries = new Map<number, LedgerEntry>();
  /** Round being computed or delivered. */
  #busyRound: number | null = null;
  /** A round that started while the one before was still being settled. */
  #nextStart: { message: RoundStartMessage; adapter: Uint8Array } | null = null;
  #joined = false;
  #paused = false;
  #ended = false;

  constructor(options: RoundLoopOptions) {
    this.#options = options;
    this.#connection = new RunConnection(options.serverUrl, {
      onConnected: () => void this.#enter(),
      onDisconnected: () => this.#showDisconnected(),
      onReplaced: () =>
        this.#end('refused', 'This contributor connected from somewhere else; that connection goes on.'),
      onRoundStart: (message, adapter) => void this.#onRoundStart(message, adapter),
      onRoundEnd: ({ round }) => {
        if (round === this.#busyRound) void options.trainer.cancelRound();
      },
      onRecord: (record) => {
        const others = options.store.state.rounds.filter(({ round }) => round !== record.round);
        options.store.set({ rounds: [...others, record].toSorted((a, b) => a.round - b.round) });
      },
      onRunState: (state) => this.#onRunState(state),
      onInvalid: (error) => console.error('The server sent a message that does not fit the protocol.', error),
    });
  }

  /** @throws {ChoraleError} LEDGER_UNAVAILABLE */
  async start(): Promise<void> {
    for (const entry of await this.#options.ledger.entries()) {
      this.#entries.set(entry.round, entry);
      this.#showContribution(entry.round, entry.outcome === 'pending' ? 'sending' : entry.outcome);
    }
    this.#showSpent();
    this.#connection.open();
  }

  /** Stops computing at once; a computed update is still delivered. Stays connected. */
  pause(): void {
    if (this.#ended || this.#paused) return;
    this.#paused = true;
    void this.#options.trainer.cancelRound();
    this.#options.store.setParticipation({ status: 'paused', reason: 'you paused' });
    this.#tellAvailability();
  }

  resume(): void {
    if (this.#ended || !this.#paused) return;
    this.#paused = false;
    this.#showIdle();
    this.#tellAvailability();
  }

  /** Leaves for good. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    void this.#options.trainer.cancelRound();
    if (this.#joined) await this.#connection.leave(this.#options.run.runId).catch(() => undefined);
    this.#end('withdrawn', 'You left this run. Updates that were averaged already stay in the shared model.');
  }

  /* ---------------------------------------------- connection ---------------------------------------------- */

  async #enter(): Promise<void> {
    const { run, ledger, store } = this.#options;
    try {
      const identity = await ledger.identity();
      const { plan, planHash, runId } = run;
      const backend = store.state.device.status === 'ready' ? store.state.device.value.backend : 'cpu';
      const joined = await this.#connection.join({
        protocolVersion: PROTOCOL_VERSION,
        runId,
        planHash,
        basisHash: plan.basisHash,
        backend,
        ...(identity ? { identity } : {}),
      });
      await ledger.saveIdentity({ contributorId: joined.contributorId, token: joined.token });
      this.#joined = true;
      this.#onRunState(joined.state);
      void this.#refreshRecords();
      if (this.#paused) this.#tellAvailability();
      for (const entry of this.#entries.values()) {
        if (entry.outcome === 'pending' && entry.round !== this.#busyRound) await this.#deliver(entry);
      }
    } catch (error) {
      await this.#onJoinError(error);
    }
  }

  /** Records that were made while this contributor was away. */
  async #refreshRecords(): Promise<void> {
    const { serverUrl, run, store } = this.#options;
    const fresh = await fetchRun(serverUrl, run.runId).catch(() => null);
    if (fresh && fresh.rounds.length >= store.state.rounds.length) store.set({ rounds: fresh.rounds });
  }

  async #onJoinError(error: unknown): Promise<void> {
    const { code, message, retryable } = wireError(error);
    if (this.#ended) return;
    if (code === 'RUN_ENDED') this.#end('run-completed', 'This run is over.');
    else if (code === 'LEDGER_UNAVAILABLE') this.#end('device-error', message);
    else if (!retryable) this.#end('refused', clientError(error).message);
    else {
      await sleep(RETRY_DELAY_MS);
      if (this.#connection.connected && !this.#ended) await this.#enter();
    }
  }

  #tellAvailability(): void {
    if (!this.#joined || !this.#connection.connected) return;
    // A lost answer is no harm: it is told again at the next connection
    void this.#connection.setAvailable(this.#options.run.runId, !this.#paused).catch(() => undefined);
  }

  #onRunState(state: RunState): void {
    if (this.#ended) return;
    this.#options.store.set({ runState: state });
    if (ENDED_STATUSES.includes(state.status)) {
      void this.#options.trainer.cancelRound();
      if (state.status === 'completed') this.#end('run-completed', 'All rounds are done. Thank you.');
      else this.#end('run-stopped', `The run was ended by its operator: ${state.reason}`);
    } else if (this.#busyRound === null) this.#showIdle();
  }

  /* ---------------------------------------------- rounds ---------------------------------------------- */

  async #onRoundStart(message: RoundStartMessage, adapter: Uint8Array): Promise<void> {
    const { round } = message;
    if (this.#ended || this.#paused || this.#busyRound === round) return;
    if (this.#busyRound !== null) {
      this.#nextStart = { message, adapter };
      return;
    }
    const known = this.#entries.get(round);
    if (known) {
      if (known.outcome === 'pending') await this.#deliver(known);
      return;
    }
    const { plan, epsilonLimit } = this.#options;
    if (plan.unit !== 'none' && spentEpsilonAfter(plan, this.#entries.size + 1) > epsilonLimit) {
      await this.#connection.leave(this.#options.run.runId).catch(() => undefined);
      this.#end(
        'budget-spent',
        'One more round would cross the privacy limit you agreed to. You stay as a reader.',
      );
      return;
    }
    this.#busyRound = round;
    try {
      const entry = await this.#compute(round, adapter);
      await this.#deliver(entry);
    } catch (error) {
      this.#onRoundError(round, error);
    } finally {
      this.#busyRound = null;
      this.#showIdle();
    }
    const next = this.#nextStart;
    this.#nextStart = null;
    if (next) await this.#onRoundStart(next.message, next.adapter);
  }

  async #compute(round: number, adapter: Uint8Array): Promise<LedgerEntry> {
    const { trainer, run, plan, ledger, store } = this.#options;
    const { localSteps } = plan;
    const showStep = (step: number) => {
      if (!this.#paused && !this.#ended)
        store.setParticipation({ status: 'training', round, step, localSteps });
    };
    showStep(0);
    this.#showContribution(round, 'computing');
    const payload = await trainer.trainRound({ adapter, round, planHash: run.planHash }, proxy(showStep));
    const entry: LedgerEntry = { round, event: roundEvent(plan), payload, outcome: 'pending' };
    await ledger.write(entry); // before anything leaves
    this.#entries.set(round, entry);
    this.#showSpent();
    return entry;
  }

  #onRoundError(round: number, error: unknown): void {
    this.#showContribution(round, 'abandoned');
    // Given up on purpose: paused, stopped, or the round closed first
    if (error instanceof Error && error.name === 'AbortError') return;
    this.#end('device-error', clientError(error).message);
  }

  /** Sends an update until the server has answered; while the connection is down, `#enter` takes it up again. */
  async #deliver(entry: LedgerEntry): Promise<void> {
    const { store, run } = this.#options;
    const payload = entry.payload;
    if (!payload) return;
    while (!this.#ended) {
      this.#showContribution(entry.round, 'sending');
      if (!this.#paused) {
        store.setParticipation({ status: 'sending', round: entry.round, payloadBytes: payload.byteLength });
      }
      try {
        await this.#connection.sendUpdate(run.runId, entry.round, payload);
        await this.#settle(entry, 'accepted');
        return;
      } catch (error) {
        const { code, retryable } = wireError(error);
        if (!retryable) {
          await this.#settle(
            entry,
            code === 'UPDATE_WRONG_ROUND' || code === 'RUN_ENDED' ? 'late' : 'refused',
          );
          return;
        }
        if (!this.#connection.connected) return;
        await sleep(RETRY_DELAY_MS);
      }
    }
  }

  async #settle(entry: LedgerEntry, outcome: 'accepted' | 'late' | 'refused'): Promise<void> {
    const settled: LedgerEntry = { ...entry, payload: null, outcome };
    this.#entries.set(entry.round, settled);
    this.#showContribution(entry.round, outcome);
    await this.#options.ledger.write(settled);
  }

  #end(because: StopReason, message: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection.close();
    this.#options.store.setParticipation({ status: 'stopped', because, message });
    this.#options.onEnded();
  }

  /* ---------------------------------------------- what the page shows ---------------------------------------------- */

  #showIdle(): void {
    if (this.#ended || this.#paused || !this.#joined || !this.#connection.connected) return;
    const reason = this.#options.store.state.runState?.reason ?? 'for the next round';
    this.#options.store.setParticipation({ status: 'waiting', reason });
  }

  #showDisconnected(): void {
    if (this.#ended || this.#paused) return;
    const training = this.#options.store.state.participation.status === 'training';
    // Training goes on without the server; the update is delivered after reconnecting
    if (training) return;
    const reason = 'the server cannot be reached; trying again by itself';
    this.#options.store.setParticipation({ status: 'disconnected', reason });
  }

  #showContribution(round: number, outcome: Contribution['outcome']): void {
    const { store, plan, run } = this.#options;
    const earlier = [...this.#entries.keys()].filter((other) => other < round).length;
    // What a round given up half way computed never left: it costs nothing
    const spent = spentEpsilonAfter(plan, earlier + (outcome === 'abandoned' ? 0 : 1));
    store.setContribution(round, {
      outcome,
      spentEpsilon: plan.unit === 'none' ? null : reportEpsilon(spent),
      payloadBytes: encodedBytes(run.plan.parameterCount),
    });
  }

  #showSpent(): void {
    const { store, plan } = this.#options;
    const spent = spentEpsilonAfter(plan, this.#entries.size);
    store.set({ spentEpsilon: plan.unit === 'none' ? null : reportEpsilon(spent) });
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
