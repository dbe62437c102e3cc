import { proxy } from 'comlink';
import type { DpEvent } from '@chorale/privacy';
import type { BackendName, PublicRun } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import type { PricedEpsilon } from './accounting.ts';
import type { ConditionChoices, ConditionSource } from './conditions.ts';
import { ConditionWatch } from './conditions.ts';
import type { IdentityBackup } from './identityBackup.ts';
import type { Ledger, OpenLedger } from './ledger.ts';
import { newcomer } from './newToken.ts';
import { DEFAULT_STEP_TIMEOUT_MS, RoundLoop } from './roundLoop.ts';
import { RowChoice } from './rowChoice.ts';
import { fetchRun } from './runFacts.ts';
import {
  assertPlanHash,
  assertSecureContext,
  otherRunsEpsilon,
  priceRun,
  readEarlierVisit,
} from './runVisit.ts';
import { SEND_TICK_MS } from './sendTick.ts';
import type {
  ChosenColumns,
  ContributorController,
  ContributorState,
  DeviceReport,
  Limits,
} from './state.ts';
import { StateStore, clientError } from './stateStore.ts';
import { answerInTime } from './timeLimits.ts';
import { VisitLimits } from './visitLimits.ts';
import type { Wakeups } from './wakeups.ts';
import type { TrainerWorker } from './workerLink.ts';

export type ContributorOptions = {
  serverUrl: string;
  /** null for the server's current run. */
  runId: string | null;
  /** A backend the person asked for; null to choose. */
  forcedBackend: BackendName | null;
  /** Her own limits, as far as she has named them; see `VisitLimits`. */
  limits?: Partial<Limits> | undefined;
  openWorker: () => TrainerWorker;
  openLedger: OpenLedger;
  /**
   * Makes sure that one tab only takes part in a run: two would spend the same budget at once.
   * @returns a function that frees the run, or null when another tab has it
   */
  holdRun: (runId: string) => Promise<(() => void) | null>;
  /** Where the contributor's name survives the loss of her ledger; null where there is no such place. */
  identityBackup: IdentityBackup | null;
  /** Asks the browser, as she joins, not to evict what is kept. */
  askToKeep?: (() => void) | undefined;
  /** The code that lets her into a run by invitation; null when she has none. */
  invite: string | null;
  /** Called each time that the server has let her in; her invite has done its work. */
  onJoined?: (() => void) | undefined;
  /** How the device stands; null: it is used always. */
  conditions: ConditionSource | null;
  wakeups: Wakeups;
  /** A device that makes no step for so long is stuck. */
  stepTimeoutMs?: number | undefined;
};

const OTHER_TAB =
  'Another tab of this browser contributes to this run already. Use that tab, or close it and reload this one.';

/** One contributor to one run, from the first look at it to its end. What a page or a Node process drives. */
export class Contributor implements ContributorController {
  readonly #options: ContributorOptions;
  readonly #store = new StateStore();
  readonly #worker: TrainerWorker;
  readonly #stepTimeoutMs: number;
  #loop: RoundLoop | null = null;
  readonly #rows: RowChoice;
  #ledger: Ledger | null = null;
  readonly #limits: VisitLimits;
  readonly #conditions: ConditionWatch | null;
  #workerFailure: ChoraleError | null = null;
  readonly #workerFailed = Promise.withResolvers<void>();

  constructor(options: ContributorOptions) {
    this.#options = options;
    this.#stepTimeoutMs = options.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS;
    this.#worker = options.openWorker();
    const { trainer } = this.#worker;
    this.#rows = new RowChoice(this.#store, trainer);
    const accountant = {
      epsilonOf: this.#epsilonOf,
      roundsWithin: (...question: Parameters<typeof trainer.roundsWithin>) =>
        answerInTime(trainer.roundsWithin(...question), this.#stepTimeoutMs),
    };
    this.#limits = new VisitLimits(this.#store, accountant, options.limits ?? {});
    this.#conditions =
      options.conditions && new ConditionWatch(options.conditions, () => this.#onConditions());
    this.#store.set({ conditions: this.#conditions?.view ?? null });
    this.#worker.onFailed((error) => this.#onWorkerFailed(error));
  }

  /** Calls to a dead worker never answer: whatever waits for one has failed. */
  #onWorkerFailed(error: Error): void {
    console.error(error);
    const failure = new ChoraleError(
      'DEVICE_ERROR',
      'The part of this page that trains has stopped. Nothing more is sent. Reload the page.',
    );
    this.#workerFailure = failure;
    this.#workerFailed.resolve();
    const failed = { status: 'failed', error: clientError(failure) } as const;
    const { run, device } = this.#store.state;
    if (run.status === 'loading') this.#store.set({ run: failed });
    if (device.status === 'loading') this.#store.set({ device: failed });
    this.#rows.fail(failed.error);
    this.#loop?.fail(failed.error.message);
  }

  getState = (): ContributorState => this.#store.state;

  subscribe = (onChange: () => void): (() => void) => this.#store.subscribe(onChange);

  async loadRun(): Promise<void> {
    this.#store.set({ run: { status: 'loading', fraction: null, what: 'Loading the run' } });
    try {
      assertSecureContext();
      const value = await fetchRun(this.#options.serverUrl, this.#options.runId);
      await assertPlanHash(value.run);
      await this.#worker.trainer.setRun(this.#options.serverUrl, value.run.plan);
      const { run, accountingNote } = await priceRun(value, this.#epsilonOf);
      const earlier = await readEarlierVisit(
        () => this.#openLedger(value.run.runId),
        run.plan,
        this.#epsilonOf,
      );
      this.#store.set({
        run: { status: 'ready', value },
        runState: value.state,
        rounds: value.rounds,
        spentEpsilon: earlier.spentEpsilon,
        ledgerProblem: earlier.problem,
        plannedEpsilon: run.plannedEpsilon,
        accountingNote,
      });
      this.#limits.load(run, earlier.limits);
      if (earlier.ledger) void this.#showOtherRuns(earlier.ledger, run.plan.targetDelta);
    } catch (error) {
      this.#store.set({ run: { status: 'failed', error: clientError(error) } });
    }
  }

  async #openLedger(runId: string): Promise<Ledger> {
    this.#ledger ??= await this.#options.openLedger(runId);
    return this.#ledger;
  }

  /** Not awaited: nothing depends on it. */
  async #showOtherRuns(ledger: Ledger, targetDelta: number): Promise<void> {
    try {
      const epsilon = await otherRunsEpsilon(ledger, targetDelta, this.#epsilonOf);
      this.#store.set({ otherRunsEpsilon: epsilon });
    } catch (error) {
      console.error('What was spent in other runs could not be computed; it is not shown.', error);
    }
  }

  #epsilonOf = (event: DpEvent, delta: number): Promise<PricedEpsilon> =>
    answerInTime(this.#worker.trainer.epsilonOf(event, delta), this.#stepTimeoutMs);

  setLimits(limits: Limits): void {
    if (this.#loop || this.#store.state.participation.status !== 'not-joined') return;
    this.#limits.name(limits);
  }

  async checkDevice(): Promise<void> {
    this.#store.set({ device: { status: 'loading', fraction: null, what: 'Looking at this device' } });
    try {
      const show = (value: DeviceReport) => this.#store.set({ device: { status: 'ready', value } });
      show(await this.#worker.trainer.checkDevice(this.#options.forcedBackend, proxy(show)));
    } catch (error) {
      this.#store.set({ device: { status: 'failed', error: clientError(error) } });
    }
  }

  readFile = (file: File): Promise<void> => this.#rows.openTable(file, file.name);

  readText = (text: string): Promise<void> => this.#rows.openTable(new Blob([text]), 'The pasted text');

  chooseColumns = (columns: ChosenColumns): Promise<void> => this.#rows.chooseColumns(columns);

  clearRows = (): void => this.#rows.clear();

  async join(): Promise<void> {
    const { run, device, rows, participation } = this.#store.state;
    if (run.status !== 'ready' || device.status !== 'ready' || rows.report.status !== 'ready') return;
    if (this.#loop || participation.status === 'preparing') return;
    await Promise.race([this.#limits.known, this.#workerFailed.promise]);
    const { limits } = this.#store.state;
    // A plan that she refuses is not joined; why stands in the limits
    if (!limits || limits.problem || this.#loop) return;
    if (this.#store.state.participation.status === 'preparing') return;
    this.#store.setParticipation({ status: 'preparing', what: 'Joining the run', fraction: null });
    let release: (() => void) | null = null;
    try {
      release = await this.#options.holdRun(run.value.run.runId);
      if (this.#workerFailure) throw this.#workerFailure;
      if (release) await this.#startLoop(run.value, release);
      else this.#store.setParticipation({ status: 'stopped', because: 'other-tab', message: OTHER_TAB });
    } catch (error) {
      release?.();
      const { message } = clientError(error);
      this.#store.setParticipation({ status: 'stopped', because: 'device-error', message });
    }
  }

  /** The run is held now: what is read of the ledger from here on, no other tab changes. */
  async #startLoop({ run }: PublicRun, release: () => void): Promise<void> {
    this.#options.askToKeep?.();
    const ledger = await this.#openLedger(run.runId);
    const kept = await ledger.limits();
    await Promise.race([this.#limits.takeOver(kept), this.#workerFailed.promise]);
    if (this.#workerFailure) throw this.#workerFailure;
    const { limits, problem } = this.#store.state.limits!;
    if (problem) {
      release();
      this.#store.setParticipation({ status: 'not-joined' });
      return;
    }
    await ledger.saveLimits(limits);
    this.#store.set({ ledgerProblem: null });
    this.#loop = new RoundLoop({
      serverUrl: this.#options.serverUrl,
      run,
      plan: privacyPlanOf(run.plan),
      limits,
      ledger,
      identityBackup: this.#options.identityBackup,
      invite: this.#options.invite,
      conditions: this.#conditions,
      wakeups: this.#options.wakeups,
      trainer: this.#worker.trainer,
      store: this.#store,
      stepTimeoutMs: this.#stepTimeoutMs,
      sendTickMs: SEND_TICK_MS,
      onJoined: () => this.#options.onJoined?.(),
      onEnded: () => {
        release();
        this.#conditions?.end();
        this.#worker.terminate();
      },
    });
    await this.#loop.start();
  }

  pause = (): void => this.#loop?.pause();

  resume = (): void => this.#loop?.resume();

  setConditions = (choices: ConditionChoices): void => this.#conditions?.choose(choices);

  goOn = (): void => this.#conditions?.goOn();

  #onConditions(): void {
    this.#store.set({ conditions: this.#conditions?.view ?? null });
    this.#loop?.weighConditions();
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  async startAnew(): Promise<boolean> {
    const { run, participation } = this.#store.state;
    if (run.status !== 'ready' || participation.status !== 'stopped') return false;
    if (participation.because !== 'unknown-here') return false;
    const { runId, planHash } = run.value.run;
    let release: (() => void) | null = null;
    try {
      release = await this.#options.holdRun(runId);
      if (!release) {
        this.#store.setParticipation({ status: 'stopped', because: 'other-tab', message: OTHER_TAB });
        return false;
      }
      const ledger = await this.#openLedger(runId);
      await ledger.saveIdentity(newcomer(planHash));
      return true;
    } catch (error) {
      const { message } = clientError(error);
      this.#store.setParticipation({ status: 'stopped', because: 'device-error', message });
      return false;
    } finally {
      release?.();
    }
  }
}
