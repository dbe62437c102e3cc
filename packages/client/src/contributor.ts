import { proxy } from 'comlink';
import type { DpEvent } from '@chorale/privacy';
import { eventOfRounds, roundEpsilonUp } from '@chorale/privacy';
import type { BackendName, PublicRun } from '@chorale/protocol';
import { ChoraleError, hashPlan } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import type { PricedEpsilon } from './accounting.ts';
import { composition, perExample } from './accounting.ts';
import type { IdentityBackup } from './identityBackup.ts';
import type { Ledger, OpenLedger } from './ledger.ts';
import type { LimitedRun } from './ownLimits.ts';
import { DEFAULT_STEP_TIMEOUT_MS, RoundLoop } from './roundLoop.ts';
import { fetchRun } from './runConnection.ts';
import { SEND_TICK_MS } from './sendTick.ts';
import { Spending } from './spending.ts';
import type {
  ChosenColumns,
  ClientError,
  ContributorController,
  ContributorState,
  DeviceReport,
  Limits,
  RowsState,
} from './state.ts';
import { StateStore, clientError } from './stateStore.ts';
import { answerInTime } from './timeLimits.ts';
import { VisitLimits } from './visitLimits.ts';
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
  /** A device that makes no step for so long is stuck. */
  stepTimeoutMs?: number | undefined;
};

/** At which the other runs are added up when this one, without protection, names no delta. */
const FALLBACK_DELTA = 1e-5;

/** What an earlier visit left; a problem in its place when it cannot be read. */
type EarlierVisit = {
  ledger: Ledger | null;
  spentEpsilon: number | null;
  limits: Limits | null;
  problem: ClientError | null;
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
  /** Counts choices of rows: answers about earlier ones are not shown. */
  #choice = 0;
  #ledger: Ledger | null = null;
  readonly #limits: VisitLimits;
  #workerFailure: ChoraleError | null = null;
  readonly #workerFailed = Promise.withResolvers<void>();

  constructor(options: ContributorOptions) {
    this.#options = options;
    this.#stepTimeoutMs = options.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS;
    this.#worker = options.openWorker();
    const { trainer } = this.#worker;
    const accountant = {
      epsilonOf: (event: DpEvent, delta: number) => this.#epsilonOf(event, delta),
      roundsWithin: (...question: Parameters<typeof trainer.roundsWithin>) =>
        answerInTime(trainer.roundsWithin(...question), this.#stepTimeoutMs),
    };
    this.#limits = new VisitLimits(this.#store, accountant, options.limits ?? {});
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
    const { run, device, rows } = this.#store.state;
    if (run.status === 'loading') this.#store.set({ run: failed });
    if (device.status === 'loading') this.#store.set({ device: failed });
    if (rows.table.status === 'loading') this.#setRows({ table: failed });
    if (rows.report.status === 'loading') this.#setRows({ ...rows, report: failed });
    this.#loop?.fail(failed.error.message);
  }

  getState = (): ContributorState => this.#store.state;

  subscribe = (onChange: () => void): (() => void) => this.#store.subscribe(onChange);

  async loadRun(): Promise<void> {
    this.#store.set({ run: { status: 'loading', fraction: null, what: 'Loading the run' } });
    try {
      assertSecureContext();
      const value = await fetchRun(this.#options.serverUrl, this.#options.runId);
      const { plan, planHash } = value.run;
      assertSamePlan(planHash, await hashPlan(plan));
      await this.#worker.trainer.setRun(this.#options.serverUrl, plan);
      const { run, accountingNote } = await this.#priceRun(value);
      const earlier = await this.#readEarlierVisit(value.run.runId, run.plan);
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

  /** What the whole plan costs. */
  async #priceRun({ run }: PublicRun): Promise<{ run: LimitedRun; accountingNote: string | null }> {
    const plan = privacyPlanOf(run.plan);
    const roundCount = run.plan.config.rounds.count;
    if (plan.unit === 'none')
      return { run: { plan, roundCount, plannedEpsilon: null }, accountingNote: null };
    const { epsilon, reason } = await this.#epsilonOf(eventOfRounds(plan, roundCount), plan.targetDelta);
    return { run: { plan, roundCount, plannedEpsilon: roundEpsilonUp(epsilon) }, accountingNote: reason };
  }

  async #openLedger(runId: string): Promise<Ledger> {
    this.#ledger ??= await this.#options.openLedger(runId);
    return this.#ledger;
  }

  /** A ledger that cannot be read keeps her from joining, not from looking at the run; what was spent is not known then. */
  async #readEarlierVisit(runId: string, plan: LimitedRun['plan']): Promise<EarlierVisit> {
    try {
      const ledger = await this.#openLedger(runId);
      const spending = this.#spending(ledger, plan);
      await spending.load();
      const [spentEpsilon, limits] = [await spending.shownEpsilon(), await ledger.limits()];
      return { ledger, spentEpsilon, limits, problem: null };
    } catch (error) {
      if (!(error instanceof ChoraleError) || error.code !== 'LEDGER_UNAVAILABLE') throw error;
      return { ledger: null, spentEpsilon: null, limits: null, problem: clientError(error) };
    }
  }

  /**
   * All other runs together, at the delta of this one. Where the rows are the same they add up, and no run knows of
   * another. Not awaited: nothing depends on it.
   */
  async #showOtherRuns(ledger: Ledger, targetDelta: number): Promise<void> {
    try {
      const events = await ledger.otherRuns();
      if (events.length === 0) return;
      const delta = targetDelta > 0 ? targetDelta : FALLBACK_DELTA;
      const { epsilon } = await this.#epsilonOf(composition(events.map(perExample)), delta);
      this.#store.set({ otherRunsEpsilon: roundEpsilonUp(epsilon) });
    } catch (error) {
      console.error('What was spent in other runs could not be computed; it is not shown.', error);
    }
  }

  #epsilonOf(event: DpEvent, delta: number): Promise<PricedEpsilon> {
    return answerInTime(this.#worker.trainer.epsilonOf(event, delta), this.#stepTimeoutMs);
  }

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

  readFile = (file: File): Promise<void> => this.#openTable(file, file.name);

  readText = (text: string): Promise<void> => this.#openTable(new Blob([text]), 'The pasted text');

  async #openTable(blob: Blob, name: string): Promise<void> {
    const choice = ++this.#choice;
    const setTable = (table: RowsState['table']) => {
      if (choice === this.#choice) this.#setRows({ table });
    };
    setTable({ status: 'loading', fraction: null, what: `Reading ${name}` });
    try {
      const value = await this.#worker.trainer.openTable(blob, name);
      setTable({ status: 'ready', value });
    } catch (error) {
      setTable({ status: 'failed', error: clientError(error) });
    }
  }

  async chooseColumns(columns: ChosenColumns): Promise<void> {
    const { table } = this.#store.state.rows;
    const choice = ++this.#choice;
    const setReport = (report: RowsState['report']) => {
      // Rows that were removed or chosen anew meanwhile do not come back
      if (choice === this.#choice) this.#setRows({ table, columns, report });
    };
    let answered = false;
    const show = (what: string, fraction: number | null) => {
      // Progress has a channel of its own: the last of it may arrive after the answer
      if (!answered) setReport({ status: 'loading', fraction, what });
    };
    show('Checking the rows', null);
    try {
      const value = await this.#worker.trainer.chooseColumns(columns, proxy(show)).finally(() => {
        answered = true;
      });
      setReport({ status: 'ready', value });
    } catch (error) {
      setReport({ status: 'failed', error: clientError(error) });
    }
  }

  clearRows(): void {
    this.#choice++;
    void this.#worker.trainer.closeTable();
    this.#setRows({});
  }

  #setRows(rows: Partial<ContributorState['rows']>): void {
    this.#store.set({
      rows: { table: { status: 'none' }, columns: null, report: { status: 'none' }, ...rows },
    });
  }

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
      trainer: this.#worker.trainer,
      store: this.#store,
      stepTimeoutMs: this.#stepTimeoutMs,
      sendTickMs: SEND_TICK_MS,
      onEnded: () => {
        release();
        this.#worker.terminate();
      },
    });
    await this.#loop.start();
  }

  #spending(ledger: Ledger, plan: LimitedRun['plan']): Spending {
    return new Spending({ ledger, plan, askEpsilon: (event, delta) => this.#epsilonOf(event, delta) });
  }

  pause = (): void => this.#loop?.pause();

  resume = (): void => this.#loop?.resume();

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }
}

/** Over plain http browsers give a page no digests, no locks and no WebGPU, except on the server's own machine. */
function assertSecureContext(): void {
  // Node has no such notion, and no such limits
  if (!('isSecureContext' in globalThis) || globalThis.isSecureContext) return;
  throw new ChoraleError(
    'DEVICE_UNSUPPORTED',
    'This page was opened over plain http, where browsers switch off what it needs. Open it by an https address; on the machine of the server itself, http://localhost works too.',
  );
}

/** The hash is what the person agrees to and what binds every update, so it must be of this very plan. */
function assertSamePlan(named: string, computed: string): void {
  if (named === computed) return;
  throw new ChoraleError(
    'PLAN_CHANGED',
    'The plan the server sent is not the one its hash names. Nothing more is sent; tell the person who runs this.',
  );
}
