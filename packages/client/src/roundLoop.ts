import type { PrivacyPlan } from '@chorale/privacy';
import type { JoinedMessage, PublicRun, RoundRecord, RunState } from '@chorale/protocol';
import { Admission, otherRun } from './admission.ts';
import type { ConditionWatch } from './conditions.ts';
import { ContributionList } from './contributionList.ts';
import type { IdentityBackup } from './identityBackup.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { RoundWork } from './roundWork.ts';
import { deliveryTimeoutMs } from './runConnection.ts';
import { fetchRun } from './runFacts.ts';
import { Session } from './session.ts';
import { Spending } from './spending.ts';
import { Standing } from './standing.ts';
import type { Ending } from './runEnding.ts';
import { endingOf } from './runEnding.ts';
import type { Limits, StopReason } from './state.ts';
import type { StateStore } from './stateStore.ts';
import { clientError } from './stateStore.ts';
import { answerInTime } from './timeLimits.ts';
import { UpdateDelivery, sleep } from './updateDelivery.ts';
import type { Wakeups } from './wakeups.ts';
import type { TrainerRemote } from './workerLink.ts';

/** A device that makes no step for so long is stuck. */
export const DEFAULT_STEP_TIMEOUT_MS = 10 * 60_000;

const SETTLE_POLL_MS = 250;

export type RoundLoopOptions = {
  serverUrl: string;
  run: PublicRun['run'];
  plan: PrivacyPlan;
  /** Hers, under which the plan is no problem; no round is computed beyond them, whatever the server asks for. */
  limits: Limits;
  ledger: Ledger;
  /** null where there is none. */
  identityBackup: IdentityBackup | null;
  /** The code that lets her into a run by invitation; null when she has none. */
  invite: string | null;
  /** When to contribute; null: always. */
  conditions: ConditionWatch | null;
  wakeups: Wakeups;
  trainer: TrainerRemote;
  store: StateStore;
  stepTimeoutMs: number;
  /** So long the answers to updates are waited for when the run is over; default: as long as delivering them may take. */
  settleTimeoutMs?: number | undefined;
  /** Updates leave at multiples of this since their round's start; > 0, `SEND_TICK_MS` in product code. */
  sendTickMs: number;
  /** Called each time that the server has let her in. */
  onJoined(): void;
  /** Called once, when taking part is over, whatever the reason. */
  onEnded(): void;
};

/**
 * Takes part in a run until it ends: joins, computes an update for each round it is chosen for, and delivers it.
 * The same bytes are sent again until the server has answered. When a limit of her own is reached it reads on.
 */
export class RoundLoop {
  readonly #options: RoundLoopOptions;
  readonly #session: Session;
  readonly #admission: Admission;
  readonly #spending: Spending;
  readonly #standing: Standing;
  readonly #contributions: ContributionList;
  readonly #delivery: UpdateDelivery;
  readonly #work: RoundWork;
  /**
   * `leaving`: only the server's answer to `stop` is awaited; `settling`: the run is over, and only its answers to
   * updates that have left are.
   */
  #phase: 'taking-part' | 'leaving' | 'settling' | 'ended' = 'taking-part';

  constructor(options: RoundLoopOptions) {
    this.#options = options;
    const { run, plan, ledger, trainer, store, conditions, stepTimeoutMs } = options;
    this.#spending = new Spending({
      ledger,
      plan,
      askEpsilon: (event, delta) => answerInTime(trainer.epsilonOf(event, delta), stepTimeoutMs),
    });
    this.#standing = new Standing({
      store,
      conditions,
      awaitsAnswer: () => this.#spending.awaitsAnswer,
      tell: () => this.#session.tellAvailability(),
    });
    this.#admission = new Admission({ ...options, spending: this.#spending });
    this.#session = new Session({
      ...options,
      admission: this.#admission,
      backend: () => (store.state.device.status === 'ready' ? store.state.device.value.backend : 'cpu'),
      availability: () => this.#standing.availability,
      sending: () => this.#delivery.busy,
      beforeJoin: () => this.#checkLimits(),
      onAdmitted: ({ chargedRounds }) => this.#restore(chargedRounds),
      onJoined: (joined) => this.#onJoined(joined),
      onLost: (retry) => {
        this.#work.forgetNext();
        this.#standing.lose(retry);
      },
      onRunEnded: () => this.#settleThenEnd(null),
      onRefused: (because, message) => this.#end(because, message),
      onRoundStart: (message, adapter) => this.#orFail(this.#work.start(message, adapter)),
      onRoundEnd: ({ round }) => this.#work.onRoundEnd(round),
      onRecord: (record) => this.#showRecord(record),
      onRunState: (state) => this.#onRunState(state),
    });
    this.#contributions = new ContributionList(store, this.#spending, run.plan);
    this.#delivery = new UpdateDelivery({
      connection: this.#session.connection,
      spending: this.#spending,
      ended: () => this.#phase === 'ended' || this.#phase === 'leaving',
      onSending: ({ round }, payload, trouble) => {
        this.#contributions.show(round, 'sending');
        if (this.#standing.held) return;
        store.setParticipation({ status: 'sending', round, payloadBytes: payload.byteLength, trouble });
      },
      onSettled: (entry) => this.#contributions.showEntry(entry),
    });
    this.#work = new RoundWork({
      ...options,
      spending: this.#spending,
      standing: this.#standing,
      contributions: this.#contributions,
      delivery: this.#delivery,
      joined: () => this.#session.joined,
      over: () => this.#phase !== 'taking-part',
      checkLimits: () => this.#checkLimits(),
      refuse: (because) => this.#refuse(because),
      end: (because, message) => this.#end(because, message),
    });
  }

  /** @throws {ChoraleError} LEDGER_UNAVAILABLE, DEVICE_ERROR */
  async start(): Promise<void> {
    await this.#spending.load();
    // Before the list, whose prices take long
    await this.#contributions.showSpent();
    for (const entry of this.#spending.entries) this.#contributions.showEntry(entry);
    this.#session.open();
  }

  /** Stops computing at once; a computed update is still delivered. Stays connected. */
  pause(): void {
    if (this.#standing.pause(true)) this.#work.giveUp();
  }

  resume(): void {
    this.#standing.pause(false);
  }

  /** Looks at the conditions again: one of them, or a choice of hers, has changed. */
  weighConditions(): void {
    if (this.#standing.weigh()) this.#work.giveUp();
  }

  /** Ends taking part because the trainer is gone. */
  fail(message: string): void {
    this.#end('device-error', message);
  }

  /** Leaves for good. */
  async stop(): Promise<void> {
    if (this.#phase === 'ended') return;
    this.#phase = 'leaving';
    this.#work.giveUp();
    if (this.#session.joined) await this.#session.connection.leave().catch(() => undefined);
    this.#end('withdrawn', 'You left this run. Updates that were averaged already stay in the shared model.');
  }

  async #onJoined({ state }: JoinedMessage): Promise<void> {
    this.#standing.join();
    this.#options.onJoined();
    this.#onRunState(state);
    void this.#refreshRecords();
    if (this.#standing.availability !== 'available') this.#session.tellAvailability();
    const { busyRound } = this.#work;
    // It was closed meanwhile: what nobody waits for need not be released
    if (busyRound !== null && state.round > busyRound) this.#work.giveUp();
    this.#orFail(this.#work.startNext());
    for (const entry of this.#unanswered()) await this.#delivery.deliver(entry);
    if (this.#work.busyRound === null) this.#standing.show();
  }

  /** Updates that have left or may have, without an answer; what still waits for its tick is none of them. */
  #unanswered(): LedgerEntry[] {
    return this.#spending.entries.filter(
      ({ outcome, payload, round }) =>
        outcome === 'pending' &&
        payload !== null &&
        (round !== this.#work.busyRound || this.#delivery.hasSent(round)),
    );
  }

  /** Counts what the server's copy of the ledger charges and this one does not; the larger of both holds. */
  async #restore(chargedRounds: readonly number[]): Promise<void> {
    const missing = await this.#admission.restore(chargedRounds, this.#work.busyRound);
    if (missing.length === 0) return;
    for (const round of missing) this.#contributions.show(round, 'restored');
    await this.#contributions.showSpent();
    await this.#checkLimits();
  }

  /** Records that were made while this contributor was away. */
  async #refreshRecords(): Promise<void> {
    const { serverUrl, run, store } = this.#options;
    const fresh = await fetchRun(serverUrl, run.runId).catch(() => null);
    if (!fresh || this.#phase === 'ended') return;
    if (fresh.run.planHash !== run.planHash) this.#refuse('its plan has changed');
    else if (fresh.rounds.length >= store.state.rounds.length) store.set({ rounds: fresh.rounds });
  }

  #showRecord(record: RoundRecord): void {
    const { store } = this.#options;
    const others = store.state.rounds.filter(({ round }) => round !== record.round);
    store.set({ rounds: [...others, record].toSorted((a, b) => a.round - b.round) });
  }

  #onRunState(state: RunState): void {
    if (this.#phase === 'ended') return;
    const { run, store } = this.#options;
    const { count } = run.plan.config.rounds;
    if (state.runId !== run.runId || state.roundCount !== count) {
      this.#refuse(`the server says it has ${state.roundCount} rounds, the plan has ${count}`);
      return;
    }
    store.set({ runState: state });
    const ending = endingOf(state);
    if (ending) this.#settleThenEnd(ending);
    else if (this.#work.busyRound === null) this.#standing.show();
  }

  /** Whether one more round is within her own limits; if not, from now on she reads. */
  async #checkLimits(): Promise<void> {
    if (this.#standing.reading) return;
    const { run, limits } = this.#options;
    const reached = await this.#spending.limitReached(limits, run.plan.config.rounds.count);
    if (reached) this.#standing.read({ status: 'reading', ...reached });
  }

  #orFail(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(clientError(error).message));
  }

  #refuse(because: string): void {
    this.#end('refused', otherRun(because).message);
  }

  /**
   * The run is over: what was sent is sent again until it is answered, then taking part ends.
   * @param ending null: how it ended has to be asked
   */
  #settleThenEnd(ending: Ending | null): void {
    if (this.#phase !== 'taking-part') return;
    this.#phase = 'settling';
    this.#work.giveUp();
    if (ending && this.#unanswered().length === 0) this.#end(ending.because, ending.message);
    else this.#orFail(this.#settleInTime(ending));
  }

  async #settleInTime(ending: Ending | null): Promise<void> {
    const asked = ending ?? this.#askEnding();
    const bytes = this.#unanswered().reduce((sum, { payload }) => sum + payload!.byteLength, 0);
    const limitMs = this.#options.settleTimeoutMs ?? deliveryTimeoutMs(bytes);
    await Promise.race([this.#settle(), sleep(limitMs)]);
    const { because, message } = await asked;
    this.#end(because, message);
  }

  async #askEnding(): Promise<Ending> {
    const { serverUrl, run, store } = this.#options;
    const fresh = await fetchRun(serverUrl, run.runId).catch(() => null);
    const ending = fresh && fresh.run.planHash === run.planHash ? endingOf(fresh.state) : null;
    if (!fresh || !ending) return { because: 'run-over', message: 'This run is over.' };
    store.set({ runState: fresh.state, rounds: fresh.rounds });
    return ending;
  }

  async #settle(): Promise<void> {
    while (this.#phase === 'settling') {
      const entries = this.#unanswered();
      if (entries.length === 0) return;
      if (this.#session.connection.connected)
        for (const entry of entries) await this.#delivery.deliver(entry);
      // Not answered yet: the connection is down, and comes back by itself
      if (this.#unanswered().length > 0) await sleep(SETTLE_POLL_MS);
    }
  }

  #end(because: StopReason, message: string): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#standing.end();
    this.#session.close();
    // A trainer that is ended answers no more
    this.#contributions.end();
    this.#options.store.setParticipation({ status: 'stopped', because, message });
    this.#options.onEnded();
  }
}
