import type { PrivacyPlan } from '@chorale/privacy';
import type { PublicRun, RoundStartMessage } from '@chorale/protocol';
import type { ContributionList } from './contributionList.ts';
import type { LedgerEntry } from './ledger.ts';
import { untilTick } from './sendTick.ts';
import type { Spending } from './spending.ts';
import type { Standing } from './standing.ts';
import type { StopReason } from './state.ts';
import type { StateStore } from './stateStore.ts';
import { clientError } from './stateStore.ts';
import { StuckError } from './timeLimits.ts';
import { recoverDevice, trainRound } from './trainRound.ts';
import type { UpdateDelivery } from './updateDelivery.ts';
import { sleep } from './updateDelivery.ts';
import type { TrainerRemote } from './workerLink.ts';
import { abortError } from './workerLink.ts';

export type RoundWorkOptions = {
  run: PublicRun['run'];
  plan: PrivacyPlan;
  trainer: TrainerRemote;
  store: StateStore;
  stepTimeoutMs: number;
  sendTickMs: number;
  spending: Spending;
  standing: Standing;
  contributions: ContributionList;
  delivery: UpdateDelivery;
  joined(): boolean;
  /** Taking part is over, or about to be: no round begins and nothing more is released. */
  over(): boolean;
  /** Looks whether one more round is within her own limits. */
  checkLimits(): Promise<void>;
  /** The run is not the one she agreed to. */
  refuse(because: string): void;
  end(because: StopReason, message: string): void;
};

/** A round that the server started for this contributor. */
type Start = { message: RoundStartMessage; adapter: Uint8Array };

/**
 * The rounds a contributor is chosen for, one after the other. An update is written to the ledger before it leaves; a
 * round in the ledger is never computed a second time.
 */
export class RoundWork {
  readonly #options: RoundWorkOptions;
  /** Round being computed or delivered. */
  #busyRound: number | null = null;
  /** The busy round was told to stop; it is over as soon as its present step is. */
  #givenUp = false;
  /** A round that started while the one before was still being settled, or before joining was through. */
  #next: Start | null = null;

  constructor(options: RoundWorkOptions) {
    this.#options = options;
  }

  get busyRound(): number | null {
    return this.#busyRound;
  }

  /** Its present step is the last; nothing of it leaves that is not in the ledger yet. */
  giveUp(): void {
    this.#givenUp = true;
    void this.#options.trainer.cancelRound();
  }

  /** The server waits for this round no more. */
  onRoundEnd(round: number): void {
    if (round === this.#busyRound) this.giveUp();
    if (round === this.#next?.message.round) this.#next = null;
  }

  /** Whatever still waits for this contributor is offered again when she joins. */
  forgetNext(): void {
    this.#next = null;
  }

  /** Begins the round that started meanwhile, if one did. */
  async startNext(): Promise<void> {
    const next = this.#next;
    this.#next = null;
    if (next) await this.start(next.message, next.adapter);
  }

  async start(message: RoundStartMessage, adapter: Uint8Array): Promise<void> {
    const { round, runId } = message;
    const { run, spending, standing, delivery, joined, over, refuse } = this.#options;
    if (over()) return;
    const { count } = run.plan.config.rounds;
    if (runId !== run.runId || round > count) {
      refuse(`the server asked for round ${round}, the plan has ${count}`);
      return;
    }
    if (standing.held) return;
    // A round that was given up by a pause and is offered again at once is computed anew after its present step
    if (this.#busyRound === round && !this.#givenUp) return;
    if (this.#busyRound !== null || !joined()) {
      this.#next = { message, adapter };
      return;
    }
    const known = spending.entry(round);
    if (known) {
      // The same bytes, also for another attempt at the round: it trains the same adapter version
      await delivery.deliver(known);
      if (this.#busyRound === null) standing.show();
      return;
    }
    this.#busyRound = round;
    this.#givenUp = false;
    try {
      await this.#takePart(round, adapter);
    } catch (error) {
      await this.#onError(round, error);
    } finally {
      this.#busyRound = null;
      standing.show();
    }
    await this.startNext();
  }

  async #takePart(round: number, adapter: Uint8Array): Promise<void> {
    const { standing, contributions, delivery, sendTickMs, checkLimits, over } = this.#options;
    // Before each round, whatever was found after the last one
    await checkLimits();
    if (standing.reading || this.#givenUp || over()) return;
    const startedAtMs = performance.now();
    const entry = await this.#compute(round, adapter);
    await sleep(untilTick(startedAtMs, performance.now(), sendTickMs));
    if (over()) contributions.show(round, 'unsent');
    else await delivery.deliver(entry);
    await checkLimits();
  }

  async #compute(round: number, adapter: Uint8Array): Promise<LedgerEntry> {
    const { run, plan, trainer, store, stepTimeoutMs, spending, standing, contributions, checkLimits, over } =
      this.#options;
    contributions.show(round, 'computing');
    const task = { adapter, round, planHash: run.planHash };
    const { payload, event } = await trainRound(task, {
      trainer,
      plan,
      stepTimeoutMs,
      onStep: (step) => {
        const { localSteps } = plan;
        if (!standing.held && !over())
          store.setParticipation({ status: 'training', round, step, localSteps });
      },
    });
    // The server's copy may have brought rounds back meanwhile
    await checkLimits();
    // Or she left as the last step ended: what is not released costs nothing
    if (standing.reading || over()) throw abortError();
    const entry: LedgerEntry = { round, event, payload, outcome: 'pending' };
    await spending.charge(entry); // before anything leaves
    // Taking part ended as it was written
    if (over()) contributions.show(round, 'unsent');
    await contributions.showSpent();
    return entry;
  }

  async #onError(round: number, error: unknown): Promise<void> {
    const { spending, contributions, refuse, end } = this.#options;
    // Once it is in the ledger it counts, whatever failed afterwards
    if (!spending.entry(round)) contributions.show(round, 'abandoned');
    // Given up on purpose: paused, stopped, or the round closed first
    if (error instanceof Error && error.name === 'AbortError') return;
    const { code, message } = clientError(error);
    // Of the messages that carry parameters, the adapter is the one that comes in
    if (code.startsWith('UPDATE_')) refuse(`the adapter the server sent is not of its plan (${message})`);
    else if (code === 'PLAN_CHANGED') end('refused', message);
    else if (code === 'DEVICE_ERROR' && !(error instanceof StuckError)) await this.#recoverDevice(message);
    else end('device-error', message);
  }

  /** After a round that the device failed in: nothing of it was released, and nobody is to wait for it meanwhile. */
  async #recoverDevice(reason: string): Promise<void> {
    const { trainer, stepTimeoutMs, standing, over, end } = this.#options;
    if (over()) return;
    this.#givenUp = true;
    standing.recover(reason);
    try {
      await recoverDevice(trainer, stepTimeoutMs);
    } catch (error) {
      end('device-error', clientError(error).message);
    }
    standing.recover(null);
  }
}
