import type { DpEvent, PrivacyPlan } from '@chorale/privacy';
import { noiseSource, noisyLocalCounts, webCryptoRandom } from '@chorale/privacy';
import type { BackendName, RunPlan } from '@chorale/protocol';
import { ChoraleError, decodeAdapter, encodeUpdate } from '@chorale/protocol';
import type { Compute, Example, LabelledRow, ModelFiles, Table, WasmUrls } from '@chorale/trainer';
import {
  SequenceClassifier,
  checkFileSize,
  chooseBackend,
  computeClientUpdate,
  countCorrect,
  describeAdapter,
  openCompute,
  privacyPlanOf,
  probeBackends,
  readTable,
  selectRows,
  suggestColumns,
} from '@chorale/trainer';
import type { PricedEpsilon } from './accounting.ts';
import { accounting } from './accounting.ts';
import { downloadModel } from './modelDownload.ts';
import { abortError } from './workerLink.ts';
import type { DeviceReport, RowsReport, TablePreview } from './state.ts';

/** A round as it comes out of the worker: the encoded update, and what the mechanisms that made it say it releases. */
export type TrainedRound = { payload: Uint8Array; event: DpEvent };

export type Progress = (what: string, fraction: number | null) => void;

/**
 * Everything that touches private rows, inside a worker. Rows come in, tokens and gradients stay here, and what goes
 * out to the page is what it shows of them and the encoded, privatised update.
 */
export class TrainerHost {
  readonly #wasmUrls: WasmUrls | null;
  #plan: RunPlan | null = null;
  #serverUrl = '';
  #backend: BackendName | null = null;
  #files: ModelFiles | null = null;
  #table: Table | null = null;
  #rows: LabelledRow[] | null = null;
  #compute: Compute | null = null;
  #classifier: SequenceClassifier | null = null;
  #examples: Example[] = [];
  #cancelled = false;

  constructor(wasmUrls: WasmUrls | null) {
    this.#wasmUrls = wasmUrls;
  }

  /** Sets the run this worker works for; first thing to call. */
  setRun(serverUrl: string, plan: RunPlan): void {
    this.#serverUrl = serverUrl;
    this.#plan = plan;
  }

  /** See `Accounting`; here because it is no work for the page's own thread. */
  epsilonOf(event: DpEvent, delta: number): PricedEpsilon {
    return accounting.epsilonOf(event, delta);
  }

  /** See `Accounting`. */
  roundsWithin(plan: PrivacyPlan, epsilonLimit: number, maxRounds: number): number {
    return accounting.roundsWithin(plan, epsilonLimit, maxRounds);
  }

  /** @throws {DeviceError} DEVICE_UNSUPPORTED */
  async checkDevice(forced: BackendName | null): Promise<DeviceReport> {
    const candidates = await probeBackends();
    const { backend, reason } = chooseBackend(candidates, forced);
    this.#backend = backend;
    return { candidates, backend, reason, forced: forced !== null };
  }

  /** @throws {ChoraleError} a DATA_ code, see `readTable` */
  async openTable(file: Blob, name: string): Promise<TablePreview> {
    const labels = this.#requirePlan().config.task.labels;
    this.closeTable();
    checkFileSize(file.size, name);
    const bytes = await file.arrayBuffer().catch((cause: unknown) => {
      throw new ChoraleError(
        'DATA_UNREADABLE',
        `${name} could not be read: it was changed or moved after it was chosen. Choose it again.`,
        { cause },
      );
    });
    const table = readTable(new Uint8Array(bytes), name, labels);
    this.#table = table;
    const suggested = suggestColumns(table, labels);
    return {
      name,
      format: table.format,
      columns: table.columns,
      rowCount: table.rows.length + table.unreadable.length,
      firstRows: table.rows.slice(0, 5),
      suggestedText: suggested.text,
      suggestedLabel: suggested.label,
    };
  }

  closeTable(): void {
    this.#table = null;
    this.#rows = null;
    this.#examples = [];
  }

  /** @throws {ChoraleError} a DATA_ code, see `selectRows`; DISCONNECTED when the tokenizer cannot be loaded */
  async chooseColumns(columns: { text: string; label: string }, progress: Progress): Promise<RowsReport> {
    if (!this.#table) throw new ChoraleError('DATA_EMPTY', 'Choose a file or paste rows first.');
    const { labels } = this.#requirePlan().config.task;
    this.#rows = null;
    const { rows, skipped } = selectRows(this.#table, columns, labels);
    const classifier = await this.#openClassifier(progress);
    progress('Turning texts into tokens', null);
    const encoded = rows.map((row) => ({ ...classifier.encode(row.text), label: row.label }));
    this.#rows = rows;
    this.#examples = encoded.map(({ sequence, label }) => ({ sequence, label }));
    return {
      used: rows.length,
      skipped,
      labelCounts: labels.map((label, i) => ({ label, count: rows.filter((row) => row.label === i).length })),
      cut: encoded.filter((example) => example.cut).length,
    };
  }

  /**
   * Trains one round on the chosen rows.
   * @param adapter the encoded global adapter
   * @returns the encoded update: noised, and the only thing that leaves; with the event of what it holds
   * @throws {ChoraleError} UPDATE_… for an adapter of another run; {DeviceError} the device failed, nothing leaves;
   *   an AbortError after `cancelRound`
   */
  async trainRound(
    { adapter, round, planHash }: { adapter: Uint8Array; round: number; planHash: string },
    onStep: (step: number) => void,
  ): Promise<TrainedRound> {
    // Before anything is awaited: a `cancelRound` that comes meanwhile must stay
    this.#cancelled = false;
    const plan = this.#requirePlan();
    if (!this.#rows) throw new ChoraleError('DATA_EMPTY', 'Choose rows before joining.');
    const classifier = await this.#openClassifier(() => undefined);
    const binding = { planHash, basisHash: plan.basisHash, parameterCount: plan.parameterCount };
    const { parameters } = decodeAdapter(adapter, binding);
    const privacyPlan = privacyPlanOf(plan);
    const noise = noiseSource(privacyPlan.noise);
    const compute = this.#interruptible(this.#compute!);
    const examples = this.#examples;
    const localCounts =
      plan.config.localMetrics === undefined
        ? null
        : noisyLocalCounts(
            privacyPlan,
            await countCorrect(parameters, examples, { compute, classifier }),
            noise,
          );
    onStep(0);
    const update = await computeClientUpdate(parameters, {
      compute,
      classifier,
      examples,
      plan: privacyPlan,
      random: webCryptoRandom,
      noise,
      onStep,
    });
    await this.#abortIfCancelled();
    const event: DpEvent =
      localCounts === null ? update.event : { type: 'composed', events: [update.event, localCounts.event] };
    return { payload: encodeUpdate(update, round, binding, localCounts), event };
  }

  /** Gives the round in work up after its present step; nothing of it leaves. */
  cancelRound(): void {
    this.#cancelled = true;
  }

  /** The device, looking before each step whether the round was given up. */
  #interruptible(compute: Compute): Compute {
    return {
      ...compute,
      guard: async (step) => {
        await this.#abortIfCancelled();
        return await compute.guard(step);
      },
    };
  }

  async #abortIfCancelled(): Promise<void> {
    // wasm and cpu compute without ever giving the worker back, and `cancelRound` is a message to it
    await new Promise((resolve) => setTimeout(resolve));
    if (this.#cancelled) throw abortError();
  }

  /** Opens the device, loads the model and checks that both sides derive the same adapter; once. */
  async #openClassifier(progress: Progress): Promise<SequenceClassifier> {
    if (this.#classifier) return this.#classifier;
    const plan = this.#requirePlan();
    progress('Loading the model', 0);
    this.#files ??= await downloadModel(this.#serverUrl, plan.model.files, (fraction) =>
      progress('Loading the model', fraction),
    );
    const facts = await describeAdapter(this.#files, plan.config);
    if (facts.basisHash !== plan.basisHash || facts.parameterCount !== plan.parameterCount) {
      throw new ChoraleError(
        'PLAN_CHANGED',
        'This browser derives another adapter than the server names. Nothing more is sent; tell the person who runs this.',
      );
    }
    progress('Starting the device', null);
    if (!this.#backend) await this.checkDevice(null);
    this.#compute ??= await openCompute(this.#backend!, this.#wasmUrls ? { wasmUrls: this.#wasmUrls } : {});
    this.#classifier = new SequenceClassifier(this.#compute, this.#files, plan.config);
    return this.#classifier;
  }

  #requirePlan(): RunPlan {
    if (!this.#plan) throw new ChoraleError('RUN_UNKNOWN', 'No run is loaded yet. Reload the page.');
    return this.#plan;
  }
}
