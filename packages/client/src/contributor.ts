import { proxy } from 'comlink';
import { roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import type { BackendName, PublicRun } from '@chorale/protocol';
import { ChoraleError, hashPlan } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import type { OpenLedger } from './ledger.ts';
import { RoundLoop } from './roundLoop.ts';
import { fetchRun } from './runConnection.ts';
import type { ContributorController, ContributorState } from './state.ts';
import { StateStore, clientError } from './stateStore.ts';
import type { TrainerWorker } from './workerLink.ts';

export type ContributorOptions = {
  serverUrl: string;
  /** null for the server's current run. */
  runId: string | null;
  /** A backend the person asked for; null to choose. */
  forcedBackend: BackendName | null;
  /** The contributor's own limit on her total epsilon; without it, what the whole plan costs. */
  epsilonLimit?: number;
  openWorker: () => TrainerWorker;
  openLedger: OpenLedger;
  /**
   * Makes sure that one tab only takes part in a run: two would spend the same budget at once.
   * @returns a function that frees the run, or null when another tab has it
   */
  holdRun: (runId: string) => Promise<(() => void) | null>;
};

const OTHER_TAB =
  'Another tab of this browser contributes to this run already. Use that tab, or close it and reload this one.';

/** One contributor to one run, from the first look at it to its end. What a page or a Node process drives. */
export class Contributor implements ContributorController {
  readonly #options: ContributorOptions;
  readonly #store = new StateStore();
  readonly #worker: TrainerWorker;
  #loop: RoundLoop | null = null;
  #workerFailure: ChoraleError | null = null;

  constructor(options: ContributorOptions) {
    this.#options = options;
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
      const privacy = privacyPlanOf(plan);
      const whole = spentEpsilonAfter(privacy, plan.config.rounds.count);
      this.#store.set({
        run: { status: 'ready', value },
        runState: value.state,
        rounds: value.rounds,
        spentEpsilon: privacy.unit === 'none' ? null : 0,
        agreedEpsilon: privacy.unit === 'none' ? null : roundEpsilonUp(this.#options.epsilonLimit ?? whole),
      });
    } catch (error) {
      this.#store.set({ run: { status: 'failed', error: clientError(error) } });
    }
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

  async #startLoop({ run }: PublicRun, release: () => void): Promise<void> {
    const plan = privacyPlanOf(run.plan);
    this.#loop = new RoundLoop({
      serverUrl: this.#options.serverUrl,
      run,
      plan,
      epsilonLimit: this.#options.epsilonLimit ?? spentEpsilonAfter(plan, run.plan.config.rounds.count),
      ledger: await this.#options.openLedger(run.runId),
      trainer: this.#worker.trainer,
      store: this.#store,
      onEnded: () => {
        release();
        this.#worker.terminate();
      },
    });
    await this.#loop.start();
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
