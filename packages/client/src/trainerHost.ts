import type { DpEvent, PrivacyPlan } from '@chorale/privacy';
import { NumericalError, noiseSource, noisyLocalCounts, webCryptoRandom } from '@chorale/privacy';
import type { BackendName, RunPlan } from '@chorale/protocol';
import {
  ChoraleError,
  bindingOf,
  decodeAdapter,
  encodeUpdate,
  rowLimit,
  trainedRangeOf,
} from '@chorale/protocol';
import type { Compute, Example, LabelledRow, Table } from '@chorale/trainer';
import {
  DeviceError,
  checkFileSize,
  computeClientUpdate,
  countCorrect,
  privacyPlanOf,
  readTable,
  selectRows,
  suggestColumns,
} from '@chorale/trainer';
import type { PricedEpsilon } from './accounting.ts';
import { accounting } from './accounting.ts';
import type { OpenPieceCache } from './pieceCache.ts';
import type { Progress } from './runModel.ts';
import { RunModel } from './runModel.ts';
import type { ChosenColumns, DeviceReport, RowsReport, TablePreview } from './state.ts';
import type { TrainingDevice } from './trainingDevice.ts';
import { abortError } from './workerLink.ts';

/** A round as it comes out of the worker: the encoded update, and what the mechanisms that made it say it releases. */
export type TrainedRound = { payload: Uint8Array; event: DpEvent };

/** Texts turned into tokens between two looks at what else the worker was told. */
const ROWS_PER_PAUSE = 250;

/** What a round starts from; `adapter` is the encoded global adapter. */
export type RoundTask = { adapter: Uint8Array; round: number; planHash: string };

/**
 * Everything that touches private rows, inside a worker. Rows come in, tokens and gradients stay here, and what goes
 * out to the page is what it shows of them and the encoded, privatised update.
 */
export class TrainerHost {
  readonly #device: TrainingDevice;
  readonly #openPieceCache: OpenPieceCache;
  #plan: RunPlan | null = null;
  #model: RunModel | null = null;
  #onDeviceChange: (report: DeviceReport) => void = () => undefined;
  /** What the last step threw, when the device was to blame. */
  #deviceFailure: DeviceError | null = null;
  #table: Table | null = null;
  #rows: LabelledRow[] | null = null;
  #examples: Example[] = [];
  /** Counts choices of rows: one that is no longer the last must not take effect. */
  #choice = 0;
  #cancelled = false;

  /**
   * @param device         what computes
   * @param openPieceCache where this device keeps models
   */
  constructor(device: TrainingDevice, openPieceCache: OpenPieceCache) {
    this.#device = device;
    this.#openPieceCache = openPieceCache;
  }

  /** Sets the run this worker works for; first thing to call. */
  setRun(serverUrl: string, plan: RunPlan): void {
    this.#plan = plan;
    this.#model = new RunModel({
      device: this.#device,
      openPieceCache: this.#openPieceCache,
      serverUrl,
      plan,
      onDeviceChange: (report) => this.#onDeviceChange(report),
    });
  }

  /** See `Accounting`; here because it is no work for the page's own thread. */
  epsilonOf(event: DpEvent, delta: number): PricedEpsilon {
    return accounting.epsilonOf(event, delta);
  }

  /** See `Accounting`. */
  roundsWithin(plan: PrivacyPlan, epsilonLimit: number, maxRounds: number): number {
    return accounting.roundsWithin(plan, epsilonLimit, maxRounds);
  }

  /**
   * Chooses what computes, by opening it and having it compute the self-test.
   * @param onChange called when that changes later on
   * @throws {DeviceError} DEVICE_UNSUPPORTED: nothing here can train
   */
  async checkDevice(
    forced: BackendName | null,
    onChange: (report: DeviceReport) => void,
  ): Promise<DeviceReport> {
    this.#onDeviceChange = onChange;
    return await this.#device.check(forced);
  }

  /**
   * After a round that the device failed in: opens it again, or the next one, and loads the model anew.
   * @throws {DeviceError} DEVICE_UNSUPPORTED: none is left that can train
   * @throws {ChoraleError} DEVICE_UNSUPPORTED: no round has failed that way, so that the same device would fail again
   */
  async recoverDevice(progress: Progress = () => undefined): Promise<void> {
    const failure = this.#deviceFailure;
    if (!failure) {
      throw new ChoraleError(
        'DEVICE_UNSUPPORTED',
        'A round failed without a failure of the device that opening it again could help. Nothing more is sent. Reload the page.',
      );
    }
    this.#deviceFailure = null;
    const model = this.#requireModel();
    const canHalve = model.placed !== null && model.placed.microBatchSize > 1;
    this.#onDeviceChange(await this.#device.recover(failure, canHalve));
    await model.open(progress);
  }

  /** @throws {ChoraleError} a DATA_ code, see `readTable`; an AbortError when another file was opened meanwhile */
  async openTable(file: Blob, name: string): Promise<TablePreview> {
    const { task } = this.#requirePlan().config;
    this.closeTable();
    const choice = this.#choice;
    checkFileSize(file.size, name);
    const bytes = await file.arrayBuffer().catch((cause: unknown) => {
      throw new ChoraleError(
        'DATA_UNREADABLE',
        `${name} could not be read: it was changed or moved after it was chosen. Choose it again.`,
        { cause },
      );
    });
    if (choice !== this.#choice) throw abortError();
    const table = readTable(new Uint8Array(bytes), name, task.labels);
    this.#table = table;
    const suggested = suggestColumns(table, task);
    return {
      name,
      format: table.format,
      columns: table.columns,
      rowCount: table.rows.length + table.unreadable.length,
      firstRows: table.rows.slice(0, 5),
      suggestedText: suggested.text,
      suggestedTextPair: suggested.textPair,
      suggestedLabel: suggested.label,
    };
  }

  closeTable(): void {
    this.#choice++;
    this.#table = null;
    this.#rows = null;
    this.#examples = [];
  }

  /**
   * @throws {ChoraleError} a DATA_ code, see `selectRows`; DISCONNECTED when the tokenizer cannot be loaded; an
   *   AbortError when other columns were chosen or the table was closed meanwhile
   */
  async chooseColumns(columns: ChosenColumns, progress: Progress): Promise<RowsReport> {
    if (!this.#table) throw new ChoraleError('DATA_EMPTY', 'Choose a file or paste rows first.');
    const { config } = this.#requirePlan();
    const { task } = config;
    const choice = ++this.#choice;
    this.#rows = null;
    const { rows, skipped } = selectRows(this.#table, columns, task, rowLimit(config));
    const { classifier } = await this.#requireModel().open(progress);
    const encoded: (Example & { cut: boolean })[] = [];
    for (const [i, { text, textPair, label }] of rows.entries()) {
      if (i % ROWS_PER_PAUSE === 0) {
        progress('Turning texts into tokens', i / rows.length);
        // A long file must not keep the worker from hearing that its rows were removed
        await new Promise((resolve) => setTimeout(resolve));
        if (choice !== this.#choice) throw abortError();
      }
      encoded.push({ ...classifier.encode(text, textPair), label });
    }
    this.#rows = rows;
    this.#examples = encoded.map(({ sequence, label }) => ({ sequence, label }));
    const { labels } = task;
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
   * @throws {ChoraleError} UPDATE_… for an adapter of another run; DEVICE_UNSUPPORTED: under unit `none` the numbers grew
   *   beyond all bounds; {DeviceError} the device failed, nothing leaves, and `recoverDevice` comes before the next round;
   *   an AbortError after `cancelRound`
   */
  async trainRound(task: RoundTask, onStep: (step: number) => void): Promise<TrainedRound> {
    // Before anything is awaited: a `cancelRound` that comes meanwhile must stay
    this.#cancelled = false;
    try {
      return await this.#trainRound(task, onStep);
    } catch (error) {
      const cause = error instanceof NumericalError ? this.#numericalCause(error) : error;
      if (cause instanceof DeviceError) this.#deviceFailure = cause;
      throw cause;
    }
  }

  /** With a protecting unit honest gradients can cause none (`DpSgd`); without, a learning rate that is too large can. */
  #numericalCause(error: NumericalError): Error {
    const cause = { cause: error };
    if (this.#requirePlan().config.privacy.unit !== 'none') {
      return new DeviceError('DEVICE_ERROR', `The device computed wrongly: ${error.message}`, cause);
    }
    return new ChoraleError(
      'DEVICE_UNSUPPORTED',
      `Training diverged: ${error.message}. Tell the person who runs this to start a run with a smaller learningRate.`,
      cause,
    );
  }

  async #trainRound(
    { adapter, round, planHash }: RoundTask,
    onStep: (step: number) => void,
  ): Promise<TrainedRound> {
    const plan = this.#requirePlan();
    if (!this.#rows) throw new ChoraleError('DATA_EMPTY', 'Choose rows before joining.');
    const placed = await this.#requireModel().open(() => undefined);
    const { classifier, microBatchSize } = placed;
    const binding = bindingOf({ plan, planHash });
    const { parameters } = decodeAdapter(adapter, binding);
    const privacyPlan = privacyPlanOf(plan);
    const noise = noiseSource(privacyPlan.noise);
    const compute = this.#interruptible(placed.compute);
    const examples = this.#examples;
    const localCounts =
      plan.config.localMetrics === undefined
        ? null
        : noisyLocalCounts(
            privacyPlan,
            await countCorrect(parameters, examples, { compute, classifier, microBatchSize }),
            noise,
          );
    onStep(0);
    const update = await computeClientUpdate(parameters, {
      compute,
      classifier,
      examples,
      plan: privacyPlan,
      range: trainedRangeOf(plan, round),
      random: webCryptoRandom,
      noise,
      microBatchSize,
      onStep,
    });
    await this.#abortIfCancelled();
    const event: DpEvent =
      localCounts === null ? update.event : { type: 'composed', events: [update.event, localCounts.event] };
    return { payload: sendable(() => encodeUpdate(update, round, binding, localCounts)), event };
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

  #requirePlan(): RunPlan {
    if (!this.#plan) throw noRun();
    return this.#plan;
  }

  #requireModel(): RunModel {
    if (!this.#model) throw noRun();
    return this.#model;
  }
}

function noRun(): ChoraleError {
  return new ChoraleError('RUN_UNKNOWN', 'No run is loaded yet. Reload the page.');
}

/** Values too large to be sent come of the same as those that are no numbers. @throws {NumericalError} */
function sendable(encode: () => Uint8Array): Uint8Array {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof ChoraleError && error.code === 'UPDATE_NOT_FINITE')) throw error;
    throw new NumericalError(error.message);
  }
}
