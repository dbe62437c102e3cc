import type { RunPlan } from '@chorale/protocol';
import { ChoraleError, canonicalJson } from '@chorale/protocol';
import type { AdapterFacts, ModelFiles } from '@chorale/trainer';
import { describeAdapter } from '@chorale/trainer';
import { downloadModel } from './modelDownload.ts';
import type { OpenPieceCache } from './pieceCache.ts';
import type { PlacedModel } from './placedModel.ts';
import { placeModel, tryOut } from './placedModel.ts';
import type { DeviceReport } from './state.ts';
import type { TrainingDevice } from './trainingDevice.ts';

export type Progress = (what: string, fraction: number | null) => void;

type RunModelOptions = {
  device: TrainingDevice;
  openPieceCache: OpenPieceCache;
  serverUrl: string;
  plan: RunPlan;
  /** Called when a device could not hold the model and another one took its place. */
  onDeviceChange: (report: DeviceReport) => void;
};

/**
 * The model of a run in its worker: loaded once and placed on the device once, however many ask for it at the same time,
 * and placed anew when the device was opened anew.
 */
export class RunModel {
  readonly #options: RunModelOptions;
  readonly #files = new Shared<ModelFiles>();
  readonly #placing = new Shared<PlacedModel>();
  #placed: PlacedModel | null = null;
  readonly #watchers = new Set<Progress>();

  constructor(options: RunModelOptions) {
    this.#options = options;
  }

  /** null when it is not on the present device. */
  get placed(): PlacedModel | null {
    return this.#placed && this.#options.device.holds(this.#placed) ? this.#placed : null;
  }

  /**
   * Loads the model, checks that both sides derive the same adapter, and places it on the device and tries that out, where
   * any of it is not done yet.
   * @param progress called until this call has ended, also with what another one began
   * @throws {ChoraleError} see `downloadModel`; PLAN_CHANGED: another adapter than the plan names; {DeviceError}
   *   DEVICE_UNSUPPORTED: no device can hold it and train it
   */
  async open(progress: Progress): Promise<PlacedModel> {
    this.#watchers.add(progress);
    try {
      while (!this.placed) {
        const placing = this.#placing.begin(() => this.#place());
        this.#placed = await placing;
        // No longer there: the device was opened anew meanwhile
        if (!this.placed) this.#placing.forget(placing);
      }
      return this.placed;
    } finally {
      this.#watchers.delete(progress);
    }
  }

  async #place(): Promise<PlacedModel> {
    const { device, plan, onDeviceChange } = this.#options;
    const files = await this.#files.begin(() => this.#load());
    this.#show('Starting the device', null);
    const { placed } = await device.place(
      (compute) => placeModel(compute, files, { plan, stepShare: device.stepShare }),
      onDeviceChange,
      {
        run: (model) => tryOut(model, plan, (fraction) => this.#show('Trying the device', tenths(fraction))),
        canHalve: ({ microBatchSize }) => microBatchSize > 1,
      },
    );
    return placed;
  }

  async #load(): Promise<ModelFiles> {
    const { plan, serverUrl, openPieceCache } = this.#options;
    this.#show('Loading the model', 0);
    const files = await downloadModel({
      serverUrl,
      files: plan.model.files,
      openCache: openPieceCache,
      onProgress: (loadedBytes, totalBytes) =>
        this.#show(`Loading the model: ${bytesOf(loadedBytes, totalBytes)}`, loadedBytes / totalBytes),
    });
    await requireSameAdapter(files, plan);
    return files;
  }

  #show(what: string, fraction: number | null): void {
    for (const watcher of this.#watchers) watcher(what, fraction);
  }
}

/** Work that all who ask for its result share; one that failed is begun anew by who asks next. */
class Shared<T> {
  #work: Promise<T> | null = null;

  begin(start: () => Promise<T>): Promise<T> {
    if (this.#work) return this.#work;
    const work = start();
    this.#work = work;
    work.catch(() => this.forget(work));
    return work;
  }

  /** From now on it is begun anew, unless it was already. */
  forget(work: Promise<T>): void {
    if (this.#work === work) this.#work = null;
  }
}

/** A round trains, and a server expects, what the layout of both sides says. */
async function requireSameAdapter(files: ModelFiles, plan: RunPlan): Promise<void> {
  const factsOf = (facts: Omit<AdapterFacts, 'initialParameters'>) => {
    const { basisHash, parameterCount, tensors, trainedRanges } = facts;
    return canonicalJson({ basisHash, parameterCount, tensors, trainedRanges });
  };
  if (factsOf(await describeAdapter(files, plan.config)) === factsOf(plan)) return;
  throw new ChoraleError(
    'PLAN_CHANGED',
    'This browser derives another adapter than the server names. Nothing more is sent; tell the person who runs this.',
  );
}

/** Since a page reads out whatever changes. */
function tenths(fraction: number): number {
  return Math.floor(10 * fraction) / 10;
}

/** "13 of 45 MB": in ten steps, since a page reads it out whenever it changes. */
function bytesOf(loadedBytes: number, totalBytes: number): string {
  const [unit, size] = totalBytes < 1e6 ? ['kB', 1e3] : ['MB', 1e6];
  const steps = Math.floor((10 * loadedBytes) / totalBytes) / 10;
  return `${Math.floor((steps * totalBytes) / size)} of ${Math.ceil(totalBytes / size)} ${unit}`;
}
