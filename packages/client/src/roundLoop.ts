import type { PrivacyPlan } from '@chorale/privacy';
import type { Availability, PublicRun, RoundStartMessage, RunState } from '@chorale/protocol';
import { ENDED_STATUSES, wireError } from '@chorale/protocol';
import { Admission, otherRun } from './admission.ts';
import { ContributionList } from './contributionList.ts';
import type { IdentityBackup } from './identityBackup.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { RunConnection, fetchRun } from './runConnection.ts';
import { untilTick } from './sendTick.ts';
import { Spending } from './spending.ts';
import type { Limits, Participation, StopReason } from './state.ts';
import type { StateStore } from './stateStore.ts';
import { clientError } from './stateStore.ts';
import { StuckError, answerInTime } from './timeLimits.ts';
import { recoverDevice, trainRound } from './trainRound.ts';
import { UpdateDelivery, sleep } from './updateDelivery.ts';
import type { TrainerRemote } from './workerLink.ts';
import { abortError } from './workerLink.ts';

const RETRY_DELAY_MS = 2_000;

/** A device that makes no step for so long is stuck. */
export const DEFAULT_STEP_TIMEOUT_MS = 10 * 60_000;

export type RoundLoopOptions = {
  serverUrl: string;
  run: PublicRun['run'];
  plan: PrivacyPlan;
  /** Hers, under which the plan is no problem; no round is computed beyond them, whatever the server asks for. */
  limits: Limits;
  ledger: Ledger;
  /** null where there is none. */
  identityBackup: IdentityBackup | null;
  trainer: TrainerRemote;
  store: StateStore;
  stepTimeoutMs: number;
  /** Updates leave at multiples of this since their round's start; > 0, `SEND_TICK_MS` in product code. */
  sendTickMs: number;
  /** Called once, when taking part is over, whatever the reason. */
  onEnded(): void;
};

/**
 * Takes part in a run until it ends: joins, computes an update for each round it is chosen for, and delivers it.
 * An update is written to the ledger before it leaves, and the same bytes are sent again until the server has
 * answered; a round in the ledger is never computed a second time. When a limit of her own is reached it reads on.
 */
export class RoundLoop {
  readonly #options: RoundLoopOptions;
  readonly #connection: RunConnection;
  readonly #admission: Admission;
  readonly #spending: Spending;
  readonly #contributions: ContributionList;
  readonly #delivery: UpdateDelivery;
  /** Round being computed or delivered. */
  #busyRound: number | null = null;
  /** The busy round was told to stop; it is over as soon as its present step is. */
  #givenUp = false;
  /** A round that started while the one before was still being settled, or before joining was through. */
  #nextStart: { message: RoundStartMessage; adapter: Uint8Array } | null = null;
  /** Counts connections: what an earlier one still does must not pass for the present one. */
  #connectionNumber = 0;
  /** On the present connection, with every round counted that the server charges and this ledger did not. */
  #joined = false;
  #paused = false;
  /** Why the device is being opened again; null when it is not. */
  #recovering: string | null = null;
  /** Which limit of her own was reached; only a new page can change that. */
  #reading: (Participation & { status: 'reading' }) | null = null;
  /** `stop` was called; only the server's answer to it is awaited. */
  #leaving = false;
  #ended = false;

  constructor(options: RoundLoopOptions) {
    this.#options = options;
    const { run, plan, ledger, identityBackup, trainer, store, stepTimeoutMs } = options;
    this.#connection = new RunConnection(options.serverUrl, {
      onConnected: () => {
        this.#connectionNumber += 1;
        void this.#enter(this.#connectionNumber);
      },
      onDisconnected: () => this.#onDisconnected(),
      onReplaced: () =>
        this.#end('refused', 'This contributor connected from somewhere else; that connection goes on.'),
      onRoundStart: (message, adapter) => this.#orFail(this.#onRoundStart(message, adapter)),
      onRoundEnd: ({ round }) => {
        if (round === this.#busyRound) this.#giveUpRound();
        if (round === this.#nextStart?.message.round) this.#nextStart = null;
      },
      onRecord: (record) => {
        const others = store.state.rounds.filter(({ round }) => round !== record.round);
        store.set({ rounds: [...others, record].toSorted((a, b) => a.round - b.round) });
      },
      onRunState: (state) => this.#onRunState(state),
      onInvalid: (error) => console.error('The server sent a message that does not fit the protocol.', error),
    });
    this.#spending = new Spending({
      ledger,
      plan,
      askEpsilon: (event, delta) => answerInTime(trainer.epsilonOf(event, delta), stepTimeoutMs),
    });
    this.#admission = new Admission({
      run,
      ledger,
      identityBackup,
      connection: this.#connection,
      spending: this.#spending,
    });
    this.#contributions = new ContributionList(store, this.#spending, run.plan);
    this.#delivery = new UpdateDelivery({
      runId: run.runId,
      connection: this.#connection,
      spending: this.#spending,
      ended: () => this.#ended || this.#leaving,
      onSending: ({ round }, payload) => {
        this.#contributions.show(round, 'sending');
        if (this.#paused) return;
        store.setParticipation({ status: 'sending', round, payloadBytes: payload.byteLength });
      },
      onSettled: (entry) => this.#contributions.showEntry(entry),
    });
  }

  /** @throws {ChoraleError} LEDGER_UNAVAILABLE, DEVICE_ERROR */
  async start(): Promise<void> {
    await this.#spending.load();
    // Before the list, whose prices take long
    await this.#contributions.showSpent();
    for (const entry of this.#spending.entries) this.#contributions.showEntry(entry);
    this.#connection.open();
  }

  /** Stops computing at once; a computed update is still delivered. Stays connected. */
  pause(): void {
    if (this.#ended || this.#paused || this.#reading) return;
    this.#paused = true;
    this.#giveUpRound();
    this.#options.store.setParticipation({ status: 'paused', reason: 'you paused' });
    this.#tellAvailability();
  }

  resume(): void {
    if (this.#ended || !this.#paused) return;
    this.#paused = false;
    if (this.#joined) this.#showIdle();
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

  async #enter(connectionNumber: number): Promise<void> {
    const { device } = this.#options.store.state;
    const backend = device.status === 'ready' ? device.value.backend : 'cpu';
    try {
      const identity = await this.#admission.identity();
      await this.#checkLimits();
      if (connectionNumber !== this.#connectionNumber) return;
      const joined = await this.#admission.join(identity, { backend, availability: this.#availability });
      await this.#restore(joined.chargedRounds);
      if (connectionNumber !== this.#connectionNumber) return;
      this.#joined = true;
      this.#onRunState(joined.state);
      void this.#refreshRecords();
      if (this.#availability !== 'available') this.#tellAvailability();
      // It was closed meanwhile: what nobody waits for need not be released
      if (this.#busyRound !== null && joined.state.round > this.#busyRound) this.#giveUpRound();
      this.#orFail(this.#startWaiting());
      for (const entry of this.#spending.entries) {
        if (entry.outcome === 'pending' && entry.round !== this.#busyRound)
          await this.#delivery.deliver(entry);
      }
      if (this.#busyRound === null) this.#showIdle();
    } catch (error) {
      await this.#onJoinError(error, connectionNumber);
    }
  }

  /** Counts what the server's copy of the ledger charges and this one does not; the larger of both holds. */
  async #restore(chargedRounds: readonly number[]): Promise<void> {
    const missing = await this.#admission.restore(chargedRounds, this.#busyRound);
    if (missing.length === 0) return;
    for (const round of missing) this.#contributions.show(round, 'restored');
    await this.#contributions.showSpent();
    await this.#checkLimits();
  }

  /** Records that were made while this contributor was away. */
  async #refreshRecords(): Promise<void> {
    const { serverUrl, run, store } = this.#options;
    const fresh = await fetchRun(serverUrl, run.runId).catch(() => null);
    if (!fresh || this.#ended) return;
    if (fresh.run.planHash !== run.planHash) this.#refuse('its plan has changed');
    else if (fresh.rounds.length >= store.state.rounds.length) store.set({ rounds: fresh.rounds });
  }

  async #onJoinError(error: unknown, connectionNumber: number): Promise<void> {
    const { code, message, retryable } = wireError(error);
    if (this.#ended) return;
    if (code === 'RUN_ENDED') this.#end('run-completed', 'This run is over.');
    else if (code === 'LEDGER_UNAVAILABLE' || code === 'DEVICE_ERROR') this.#end('device-error', message);
    else if (!retryable) this.#end('refused', clientError(error).message);
    else if (connectionNumber === this.#connectionNumber && !this.#joined) {
      this.#showDisconnected('joining did not work yet; trying again by itself');
      await sleep(RETRY_DELAY_MS);
      if (connectionNumber === this.#connectionNumber && !this.#ended) await this.#enter(connectionNumber);
    }
  }

  #onDisconnected(): void {
    this.#connectionNumber += 1;
    this.#joined = false;
    // Whatever still waits for this contributor is offered again when she joins
    this.#nextStart = null;
    this.#showDisconnected();
  }

  get #availability(): Availability {
    if (this.#reading) return 'limit-reached';
    return this.#paused || this.#recovering !== null ? 'paused' : 'available';
  }

  #tellAvailability(): void {
    if (!this.#joined || !this.#connection.connected) return;
    // A lost answer is no harm: it is told again at the next connection
    void this.#connection.setAvailability(this.#options.run.runId, this.#availability).catch(() => undefined);
  }

  #onRunState(state: RunState): void {
    if (this.#ended) return;
    if (state.runId !== this.#options.run.runId || state.roundCount !== this.#roundCount) {
      this.#refuse(`the server says it has ${state.roundCount} rounds, the plan has ${this.#roundCount}`);
      return;
    }
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

  get #roundCount(): number {
    return this.#options.run.plan.config.rounds.count;
  }

  async #onRoundStart(message: RoundStartMessage, adapter: Uint8Array): Promise<void> {
    const { round, runId } = message;
    if (this.#ended || this.#leaving) return;
    if (runId !== this.#options.run.runId || round > this.#roundCount) {
      this.#refuse(`the server asked for round ${round}, the plan has ${this.#roundCount}`);
      return;
    }
    if (this.#paused) return;
    // A round that was given up by a pause and is offered again at once is computed anew after its present step
    if (this.#busyRound === round && !this.#givenUp) return;
    if (this.#busyRound !== null || !this.#joined) {
      this.#nextStart = { message, adapter };
      return;
    }
    const known = this.#spending.entry(round);
    if (known) {
      // The same bytes, also for another attempt at the round: it trains the same adapter version
      await this.#delivery.deliver(known);
      if (this.#busyRound === null) this.#showIdle();
      return;
    }
    this.#busyRound = round;
    this.#givenUp = false;
    try {
      await this.#takePart(round, adapter);
    } catch (error) {
      await this.#onRoundError(round, error);
    } finally {
      this.#busyRound = null;
      this.#showIdle();
    }
    await this.#startWaiting();
  }

  async #takePart(round: number, adapter: Uint8Array): Promise<void> {
    // Before each round, whatever was found after the last one
    await this.#checkLimits();
    if (this.#reading || this.#givenUp || this.#ended) return;
    const startedAtMs = performance.now();
    const entry = await this.#compute(round, adapter);
    await sleep(untilTick(startedAtMs, performance.now(), this.#options.sendTickMs));
    await this.#delivery.deliver(entry);
    await this.#checkLimits();
  }

  async #startWaiting(): Promise<void> {
    const next = this.#nextStart;
    this.#nextStart = null;
    if (next) await this.#onRoundStart(next.message, next.adapter);
  }

  /** Whether one more round is within her own limits; if not, from now on she reads. */
  async #checkLimits(): Promise<void> {
    if (this.#reading) return;
    const reached = await this.#spending.limitReached(this.#options.limits, this.#roundCount);
    if (!reached) return;
    this.#reading = { status: 'reading', ...reached };
    this.#tellAvailability();
  }

  #orFail(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(clientError(error).message));
  }

  async #compute(round: number, adapter: Uint8Array): Promise<LedgerEntry> {
    const { run, plan, trainer, store, stepTimeoutMs } = this.#options;
    this.#contributions.show(round, 'computing');
    const task = { adapter, round, planHash: run.planHash };
    const { payload, event } = await trainRound(task, {
      trainer,
      plan,
      stepTimeoutMs,
      onStep: (step) => {
        const { localSteps } = plan;
        if (!this.#paused && !this.#ended)
          store.setParticipation({ status: 'training', round, step, localSteps });
      },
    });
    // The server's copy may have brought rounds back meanwhile
    await this.#checkLimits();
    // Or she left as the last step ended: what is not released costs nothing
    if (this.#reading || this.#leaving || this.#ended) throw abortError();
    const entry: LedgerEntry = { round, event, payload, outcome: 'pending' };
    await this.#spending.charge(entry); // before anything leaves
    // Taking part ended as it was written
    if (this.#ended) this.#contributions.show(round, 'unsent');
    await this.#contributions.showSpent();
    return entry;
  }

  async #onRoundError(round: number, error: unknown): Promise<void> {
    // Once it is in the ledger it counts, whatever failed afterwards
    if (!this.#spending.entry(round)) this.#contributions.show(round, 'abandoned');
    // Given up on purpose: paused, stopped, or the round closed first
    if (error instanceof Error && error.name === 'AbortError') return;
    const { code, message } = clientError(error);
    // Of the messages that carry parameters, the adapter is the one that comes in
    if (code.startsWith('UPDATE_'))
      this.#refuse(`the adapter the server sent is not of its plan (${message})`);
    else if (code === 'PLAN_CHANGED') this.#end('refused', message);
    else if (code === 'DEVICE_ERROR' && !(error instanceof StuckError)) await this.#recoverDevice(message);
    else this.#end('device-error', message);
  }

  /** After a round that the device failed in: nothing of it was released, and nobody is to wait for it meanwhile. */
  async #recoverDevice(reason: string): Promise<void> {
    const { trainer, stepTimeoutMs } = this.#options;
    if (this.#ended || this.#leaving) return;
    this.#givenUp = true;
    this.#recovering = reason;
    this.#tellAvailability();
    this.#showIdle();
    try {
      await recoverDevice(trainer, stepTimeoutMs);
    } catch (error) {
      this.#end('device-error', clientError(error).message);
    }
    this.#recovering = null;
    this.#tellAvailability();
    if (!this.#joined) this.#showDisconnected();
  }

  #refuse(because: string): void {
    this.#end('refused', otherRun(because).message);
  }

  #end(because: StopReason, message: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection.close();
    // A trainer that is ended answers no more
    this.#contributions.end();
    this.#options.store.setParticipation({ status: 'stopped', because, message });
    this.#options.onEnded();
  }

  /* ---------------------------------------------- what the page shows ---------------------------------------------- */

  #showIdle(): void {
    if (this.#ended || this.#paused) return;
    if (this.#recovering !== null) {
      this.#options.store.setParticipation({ status: 'recovering', reason: this.#recovering });
      return;
    }
    if (!this.#joined || !this.#connection.connected) return;
    // Still being sent; whoever goes away when nothing more is to be done must not go yet
    if (this.#spending.awaitsAnswer) return;
    const reason = this.#options.store.state.runState?.reason ?? 'for the next round';
    this.#options.store.setParticipation(this.#reading ?? { status: 'waiting', reason });
  }

  #showDisconnected(reason = 'the server cannot be reached; trying again by itself'): void {
    if (this.#ended || this.#paused) return;
    const training = this.#options.store.state.participation.status === 'training';
    // Training goes on without the server; the update is delivered after reconnecting
    if (training) return;
    this.#options.store.setParticipation({ status: 'disconnected', reason });
  }
}
