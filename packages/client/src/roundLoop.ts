import { proxy } from 'comlink';
import type { PrivacyPlan } from '@chorale/privacy';
import { roundEpsilonUp, roundEvent } from '@chorale/privacy';
import type { ErrorCode, PublicRun, RoundStartMessage, RunState } from '@chorale/protocol';
import { ENDED_STATUSES, PROTOCOL_VERSION, encodedBytes, wireError } from '@chorale/protocol';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { RunConnection, fetchRun } from './runConnection.ts';
import { allowsOneMore, spentEpsilon } from './spending.ts';
import type { Contribution, StopReason } from './state.ts';
import type { StateStore } from './stateStore.ts';
import { clientError } from './stateStore.ts';
import type { TrainerRemote } from './workerLink.ts';
import { abortError } from './workerLink.ts';

const RETRY_DELAY_MS = 2_000;

/** The update itself is good, but its round does not wait for it (now). */
const LATE_CODES: readonly ErrorCode[] = ['UPDATE_WRONG_ROUND', 'UPDATE_NOT_IN_COHORT', 'RUN_ENDED'];

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
  /** Rounds whose update is on its way. */
  readonly #delivering = new Set<number>();
  /** The busy round was told to stop; it is over as soon as its present step is. */
  #givenUp = false;
  /** A round that started while the one before was still being settled, or before joining was through. */
  #nextStart: { message: RoundStartMessage; adapter: Uint8Array } | null = null;
  /** On the present connection, with every round counted that the server has and this ledger has not. */
  #joined = false;
  #paused = false;
  /** `stop` was called; only the server's answer to it is awaited. */
  #leaving = false;
  #ended = false;

  constructor(options: RoundLoopOptions) {
    this.#options = options;
    this.#connection = new RunConnection(options.serverUrl, {
      onConnected: () => void this.#enter(),
      onDisconnected: () => this.#onDisconnected(),
      onReplaced: () =>
        this.#end('refused', 'This contributor connected from somewhere else; that connection goes on.'),
      onRoundStart: (message, adapter) => this.#orFail(this.#onRoundStart(message, adapter)),
      onRoundEnd: ({ round }) => {
        if (round === this.#busyRound) this.#giveUpRound();
        if (round === this.#nextStart?.message.round) this.#nextStart = null;
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
    this.#giveUpRound();
    this.#options.store.setParticipation({ status: 'paused', reason: 'you paused' });
    this.#tellAvailability();
  }

  resume(): void {
    if (this.#ended || !this.#paused) return;
    this.#paused = false;
    if (this.#connection.connected) this.#showIdle();
    else this.#showDisconnected();
    this.#tellAvailability();
  }

  /** Ends taking part because the trainer is gone. */
  fail(message: string): void {
    this.#end('device-error', message);
  }

  /** Leaves for good. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#leaving = true;
    this.#giveUpRound();
    if (this.#joined) await this.#connection.leave(this.#options.run.runId).catch(() => undefined);
    this.#end('withdrawn', 'You left this run. Updates that were averaged already stay in the shared model.');
  }

  /* ---------------------------------------------- connection ---------------------------------------------- */

  async #enter(): Promise<void> {
    const { run, ledger, store } = this.#options;
    try {
      const identity = await ledger.identity();
      const { plan, planHash, runId } = run;
      if (identity && identity.planHash !== planHash) {
        this.#end(
          'refused',
          'This run is not the one you agreed to before: its plan has changed. Nothing was sent.',
        );
        return;
      }
      const backend = store.state.device.status === 'ready' ? store.state.device.value.backend : 'cpu';
      const joined = await this.#connection.join({
        protocolVersion: PROTOCOL_VERSION,
        runId,
        planHash,
        basisHash: plan.basisHash,
        backend,
        ...(identity ? { identity: { contributorId: identity.contributorId, token: identity.token } } : {}),
      });
      await ledger.saveIdentity({ contributorId: joined.contributorId, token: joined.token, planHash });
      await this.#countForgottenRounds(joined.contributedRounds);
      this.#joined = true;
      this.#onRunState(joined.state);
      void this.#refreshRecords();
      if (this.#paused) this.#tellAvailability();
      // It was closed meanwhile: what nobody waits for need not be released
      if (this.#busyRound !== null && joined.state.round > this.#busyRound) this.#giveUpRound();
      this.#orFail(this.#startWaiting());
      for (const entry of this.#entries.values()) {
        if (entry.outcome === 'pending' && entry.round !== this.#busyRound) await this.#deliver(entry);
      }
      if (this.#busyRound === null) this.#showIdle();
    } catch (error) {
      await this.#onJoinError(error);
    }
  }

  /** Rounds the server has an update of and this ledger does not: they were released, so they count. */
  async #countForgottenRounds(contributedRounds: readonly number[]): Promise<void> {
    const { ledger, plan } = this.#options;
    for (const round of contributedRounds) {
      if (this.#entries.has(round)) continue;
      const entry: LedgerEntry = { round, event: roundEvent(plan), payload: null, outcome: 'accepted' };
      await ledger.write(entry);
      this.#entries.set(round, entry);
      this.#showContribution(round, 'accepted');
    }
    this.#showSpent();
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
      if (this.#connection.connected && !this.#joined && !this.#ended) await this.#enter();
    }
  }

  #onDisconnected(): void {
    this.#joined = false;
    // Whatever still waits for this contributor is offered again when she joins
    this.#nextStart = null;
    this.#showDisconnected();
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
      this.#giveUpRound();
      if (state.status === 'completed') this.#end('run-completed', 'All rounds are done. Thank you.');
      else this.#end('run-stopped', `The run was ended by its operator: ${state.reason}`);
    } else if (this.#busyRound === null) this.#showIdle();
  }

  #giveUpRound(): void {
    this.#givenUp = true;
    void this.#options.trainer.cancelRound();
  }

  /* ---------------------------------------------- rounds ---------------------------------------------- */

  async #onRoundStart(message: RoundStartMessage, adapter: Uint8Array): Promise<void> {
    const { round } = message;
    if (this.#ended || this.#paused || this.#leaving) return;
    // A round that was given up by a pause and is offered again at once is computed anew after its present step
    if (this.#busyRound === round && !this.#givenUp) return;
    if (this.#busyRound !== null || !this.#joined) {
      this.#nextStart = { message, adapter };
      return;
    }
    const known = this.#entries.get(round);
    if (known) {
      // The same bytes, also for another attempt at the round: it trains the same adapter version
      await this.#deliver(known);
      if (this.#busyRound === null) this.#showIdle();
      return;
    }
    const { plan, epsilonLimit } = this.#options;
    if (!allowsOneMore(this.#entries.values(), plan, epsilonLimit)) {
      await this.#connection.leave(this.#options.run.runId).catch(() => undefined);
      this.#end(
        'budget-spent',
        'One more round would cross the privacy limit you agreed to, so this device takes no further part.',
      );
      return;
    }
    this.#busyRound = round;
    this.#givenUp = false;
    try {
      const entry = await this.#compute(round, adapter);
      await this.#deliver(entry);
    } catch (error) {
      this.#onRoundError(round, error);
    } finally {
      this.#busyRound = null;
      this.#showIdle();
    }
    await this.#startWaiting();
  }

  async #startWaiting(): Promise<void> {
    const next = this.#nextStart;
    this.#nextStart = null;
    if (next) await this.#onRoundStart(next.message, next.adapter);
  }

  #orFail(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(clientError(error).message));
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
    // The last step ended as she left: what is not released costs nothing
    if (this.#leaving || this.#ended) throw abortError();
    const entry: LedgerEntry = { round, event: roundEvent(plan), payload, outcome: 'pending' };
    await ledger.write(entry); // before anything leaves
    this.#entries.set(round, entry);
    this.#showSpent();
    return entry;
  }

  #onRoundError(round: number, error: unknown): void {
    // Once it is in the ledger it counts, whatever failed afterwards
    if (!this.#entries.has(round)) this.#showContribution(round, 'abandoned');
    // Given up on purpose: paused, stopped, or the round closed first
    if (error instanceof Error && error.name === 'AbortError') return;
    this.#end('device-error', clientError(error).message);
  }

  /** Sends an update until the server has answered; while the connection is down, `#enter` takes it up again. */
  async #deliver(entry: LedgerEntry): Promise<void> {
    const { payload, round } = entry;
    if (!payload || this.#delivering.has(round)) return;
    this.#delivering.add(round);
    try {
      await this.#sendUntilAnswered(entry, payload);
    } finally {
      this.#delivering.delete(round);
    }
  }

  async #sendUntilAnswered(entry: LedgerEntry, payload: Uint8Array): Promise<void> {
    const { store, run } = this.#options;
    while (!this.#ended) {
      this.#showContribution(entry.round, 'sending');
      if (!this.#paused) {
        store.setParticipation({ status: 'sending', round: entry.round, payloadBytes: payload.byteLength });
      }
      const outcome = await this.#connection.sendUpdate(run.runId, entry.round, payload).then(
        () => 'accepted' as const,
        (error: unknown) => {
          const { code, retryable } = wireError(error);
          if (retryable) return null;
          return LATE_CODES.includes(code) ? 'late' : 'refused';
        },
      );
      if (outcome) {
        await this.#settle(entry, outcome);
        return;
      }
      if (!this.#connection.connected) return;
      await sleep(RETRY_DELAY_MS);
    }
  }

  async #settle(entry: LedgerEntry, outcome: 'accepted' | 'late' | 'refused'): Promise<void> {
    // A late update stays: when its round was given up, the next attempt can still take it
    const payload = outcome === 'late' ? entry.payload : null;
    const settled: LedgerEntry = { ...entry, payload, outcome };
    this.#entries.set(entry.round, settled);
    this.#showContribution(entry.round, outcome);
    await this.#options.ledger.write(settled);
  }

  #end(because: StopReason, message: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection.close();
    // A trainer that is ended answers no more
    const round = this.#busyRound;
    if (round !== null && !this.#entries.has(round)) this.#showContribution(round, 'abandoned');
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
    const upToRound = [...this.#entries.values()].filter((entry) => entry.round <= round);
    // A round under way will cost; what one given up half way computed never left and costs nothing
    const spent = spentEpsilon(upToRound, plan, outcome === 'computing' ? 1 : 0);
    store.setContribution(round, {
      outcome,
      spentEpsilon: plan.unit === 'none' ? null : roundEpsilonUp(spent),
      payloadBytes: encodedBytes(run.plan.parameterCount),
    });
  }

  #showSpent(): void {
    const { store, plan } = this.#options;
    const spent = spentEpsilon(this.#entries.values(), plan);
    store.set({ spentEpsilon: plan.unit === 'none' ? null : roundEpsilonUp(spent) });
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
