import { proxy } from 'comlink';
import type { DpEvent } from '@chorale/privacy';
import { eventOfRounds, roundEpsilonUp } from '@chorale/privacy';
import type { BackendName, PublicRun } from '@chorale/protocol';
import { ChoraleError, hashPlan } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import { composition, perExample } from './accounting.ts';
import type { IdentityBackup } from './identityBackup.ts';
import type { Ledger, OpenLedger } from './ledger.ts';
import type { LimitedRun, LimitsAccountant } from './ownLimits.ts';
import { limitsOfPlan, problemAtOnce, viewOfLimits } from './ownLimits.ts';
import { DEFAULT_STEP_TIMEOUT_MS, RoundLoop } from './roundLoop.ts';
import { fetchRun } from './runConnection.ts';
import { SEND_TICK_MS } from './sendTick.ts';
import { Spending } from './spending.ts';
import type { ContributorController, ContributorState, Limits } from './state.ts';
import { StateStore, clientError } from './stateStore.ts';
import { answerInTime } from './timeLimits.ts';
import type { TrainerWorker } from './workerLink.ts';

export type ContributorOptions = {
  serverUrl: string;
  /** null for the server's current run. */
  runId: string | null;
  /** A backend the person asked for; null to choose. */
  forcedBackend: BackendName | null;
  /** Her own limits, as far as she has named them; else those she had before, else just what the whole plan asks for. */
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

const OTHER_TAB =
  'Another tab of this browser contributes to this run already. Use that tab, or close it and reload this one.';

/** One contributor to one run, from the first look at it to its end. What a page or a Node process drives. */
export class Contributor implements ContributorController {
  readonly #options: ContributorOptions;
  readonly #store = new StateStore();
  readonly #worker: TrainerWorker;
  readonly #stepTimeoutMs: number;
  #loop: RoundLoop | null = null;
  #ledger: Ledger | null = null;
  #limitedRun: LimitedRun | null = null;
  /** What the limits that were set last come to. */
  #limitsKnown: Promise<void> = Promise.resolve();
  #workerFailure: ChoraleError | null = null;
  readonly #workerFailed = Promise.withResolvers<void>();

  constructor(options: ContributorOptions) {
    this.#options = options;
    this.#stepTimeoutMs = options.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS;
    this.#worker = options.openWorker();
    this.#worker.onFailed((error) => this.#onWorkerFailed(error));
  }

  /** Calls to a dead worker never answer: whatever waits for one has failed. */
  #onWorkerFailed(error: Error): void {
    console.error(error);
    const failure = new ChoraleError(
      'DEVICE_ERROR',
      'The part of this page that trains has stopped. Nothing was sent. Reload the page.',
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
      const run = await this.#priceRun(value);
      this.#limitedRun = run;
      const ledger = await this.#openLedger(value.run.runId).catch(() => null);
      const kept = ledger ? await this.#readLedger(ledger, run.plan) : null;
      this.#store.set({
        run: { status: 'ready', value },
        runState: value.state,
        rounds: value.rounds,
        spentEpsilon: kept ? kept.spentEpsilon : run.plan.unit === 'none' ? null : 0,
        plannedEpsilon: run.plannedEpsilon,
      });
      this.setLimits({ ...limitsOfPlan(run), ...kept?.limits, ...this.#options.limits });
      if (ledger) void this.#showOtherRuns(ledger, run.plan.targetDelta);
    } catch (error) {
      this.#store.set({ run: { status: 'failed', error: clientError(error) } });
    }
  }

  /** What the whole plan costs. */
  async #priceRun({ run }: PublicRun): Promise<LimitedRun> {
    const plan = privacyPlanOf(run.plan);
    const roundCount = run.plan.config.rounds.count;
    if (plan.unit === 'none') return { plan, roundCount, plannedEpsilon: null };
    const planned = await this.#epsilonOf(eventOfRounds(plan, roundCount), plan.targetDelta);
    return { plan, roundCount, plannedEpsilon: roundEpsilonUp(planned) };
  }

  async #openLedger(runId: string): Promise<Ledger> {
    this.#ledger ??= await this.#options.openLedger(runId);
    return this.#ledger;
  }

  /** What an earlier visit left. A ledger that cannot be read is an error when she joins, not before. */
  async #readLedger(
    ledger: Ledger,
    plan: LimitedRun['plan'],
  ): Promise<{ spentEpsilon: number | null; limits: Limits | null } | null> {
    try {
      const spending = this.#spending(ledger, plan);
      await spending.load();
      return { spentEpsilon: await spending.shownEpsilon(), limits: await ledger.limits() };
    } catch (error) {
      if (error instanceof ChoraleError && error.code === 'LEDGER_UNAVAILABLE') return null;
      throw error;
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
      const epsilon = await this.#epsilonOf(composition(events.map(perExample)), delta);
      this.#store.set({ otherRunsEpsilon: roundEpsilonUp(epsilon) });
    } catch (error) {
      console.error('What was spent in other runs could not be computed; it is not shown.', error);
    }
  }

  #epsilonOf(event: DpEvent, delta: number): Promise<number> {
    return answerInTime(this.#worker.trainer.epsilonOf(event, delta), this.#stepTimeoutMs);
  }

  setLimits(limits: Limits): void {
    const run = this.#limitedRun;
    if (!run || this.#loop || this.#store.state.participation.status !== 'not-joined') return;
    const problem = problemAtOnce(limits, run);
    this.#store.set({ limits: { limits, problem, roundsAllowed: problem ? 0 : null } });
    if (!problem) this.#limitsKnown = this.#showLimits(limits, run);
  }

  async #showLimits(limits: Limits, run: LimitedRun): Promise<void> {
    const { trainer } = this.#worker;
    const accountant: LimitsAccountant = {
      epsilonOf: (event, delta) => this.#epsilonOf(event, delta),
      roundsWithin: (...question) => answerInTime(trainer.roundsWithin(...question), this.#stepTimeoutMs),
    };
    const view = await viewOfLimits(limits, run, accountant).catch((error: unknown) => ({
      limits,
      problem: clientError(error),
      roundsAllowed: 0,
    }));
    // Others may have been set meanwhile
    if (this.#store.state.limits?.limits === limits) this.#store.set({ limits: view });
  }

  async checkDevice(): Promise<void> {
    this.#store.set({ device: { status: 'loading', fraction: null, what: 'Looking at this device' } });
    try {
      const value = await this.#worker.trainer.checkDevice(this.#options.forcedBackend);
      this.#store.set({ device: { status: 'ready', value } });
    } catch (error) {
      this.#store.set({ device: { status: 'failed', error: clientError(error) } });
    }
  }

  readFile = (file: File): Promise<void> => this.#openTable(file, file.name);

  readText = (text: string): Promise<void> => this.#openTable(new Blob([text]), 'The pasted text');

  async #openTable(blob: Blob, name: string): Promise<void> {
    this.#setRows({ table: { status: 'loading', fraction: null, what: `Reading ${name}` } });
    try {
      const value = await this.#worker.trainer.openTable(blob, name);
      this.#setRows({ table: { status: 'ready', value } });
    } catch (error) {
      this.#setRows({ table: { status: 'failed', error: clientError(error) } });
    }
  }

  async chooseColumns(columns: { text: string; label: string }): Promise<void> {
    const { table } = this.#store.state.rows;
    const show = (what: string, fraction: number | null) =>
      this.#setRows({ table, columns, report: { status: 'loading', fraction, what } });
    show('Checking the rows', null);
    try {
      const value = await this.#worker.trainer.chooseColumns(columns, proxy(show));
      this.#setRows({ table, columns, report: { status: 'ready', value } });
    } catch (error) {
      this.#setRows({ table, columns, report: { status: 'failed', error: clientError(error) } });
    }
  }

  clearRows(): void {
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
    await Promise.race([this.#limitsKnown, this.#workerFailed.promise]);
    const { limits } = this.#store.state;
    // A plan that she refuses is not joined; why stands in the limits
    if (!limits || limits.problem || this.#loop) return;
    if (this.#store.state.participation.status === 'preparing') return;
    this.#store.setParticipation({ status: 'preparing', what: 'Joining the run', fraction: null });
    let release: (() => void) | null = null;
    try {
      release = await this.#options.holdRun(run.value.run.runId);
      if (this.#workerFailure) throw this.#workerFailure;
      if (release) await this.#startLoop(run.value, limits.limits, release);
      else this.#store.setParticipation({ status: 'stopped', because: 'other-tab', message: OTHER_TAB });
    } catch (error) {
      release?.();
      const { message } = clientError(error);
      this.#store.setParticipation({ status: 'stopped', because: 'device-error', message });
    }
  }

  async #startLoop({ run }: PublicRun, limits: Limits, release: () => void): Promise<void> {
    this.#options.askToKeep?.();
    const ledger = await this.#openLedger(run.runId);
    await ledger.saveLimits(limits);
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
    'The plan the server sent is not the one its hash names. Nothing was sent; tell the person who runs this.',
  );
}
