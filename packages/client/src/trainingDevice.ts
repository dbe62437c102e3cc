import type { BackendName } from '@chorale/protocol';
import type { BackendProbe, Compute, WasmUrls } from '@chorale/trainer';
import { DeviceError, chooseBackend, openCompute, probeBackends, selfTest } from '@chorale/trainer';
import type { DeviceReport, DeviceTrouble } from './state.ts';

/** Where backends come from; a test may put broken ones here. */
export type DeviceSource = { probe: typeof probeBackends; open: typeof openCompute };

type Disposable = { dispose(): void };

/** How what is placed shows whether the device has room for all that will be computed with it. */
export type Trial<T> = {
  /** Asks of the device whatever will be asked of it. @throws {DeviceError} it failed */
  run(placed: T): Promise<void>;
  /** Whether steps of half the size are possible. */
  canHalve(placed: T): boolean;
};

/**
 * The device of a worker: which backend computes, whether it may train, and what follows when it fails. One that failed
 * is opened again once, then the next one is tried; one that ran out of memory is opened again for steps of half the
 * size, as long as they can be halved. When a step fails may depend on what is computed, and what follows is seen outside;
 * hence the trial at `place`, which nobody's rows are part of. Calls take turns: a device is never closed while it is being opened.
 */
export class TrainingDevice {
  readonly #wasmUrls: WasmUrls | null;
  readonly #source: DeviceSource;
  #forced: BackendName | null = null;
  #candidates: BackendProbe[] = [];
  #report: DeviceReport | null = null;
  #compute: Compute | null = null;
  /** What is on it, which goes with it. */
  readonly #held = new Set<Disposable>();
  /** Resolves when nobody works on the device: tfjs has one backend at a time. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  readonly #openedAgain = new Set<BackendName>();
  #stepShare = 1;

  constructor(wasmUrls: WasmUrls | null, source: DeviceSource = { probe: probeBackends, open: openCompute }) {
    this.#wasmUrls = wasmUrls;
    this.#source = source;
  }

  /** Of the steps that fit by the memory budget, what the device has shown to have room for: 1, 1/2, 1/4, … */
  get stepShare(): number {
    return this.#stepShare;
  }

  /**
   * Looks at what there is, and opens the first backend that computes the self-test rightly.
   * @param forced the only backend that may be used, or null
   * @throws {DeviceError} DEVICE_UNSUPPORTED: the forced one, or every one, cannot train
   */
  check(forced: BackendName | null): Promise<DeviceReport> {
    return this.#inTurn(() => this.#check(forced));
  }

  /** @throws {DeviceError} DEVICE_UNSUPPORTED: none can train */
  opened(): Promise<Compute> {
    return this.#inTurn(() => this.#opened());
  }

  /**
   * Puts something on the device, or on the next one that can hold it and stands the trial. It is disposed of when the
   * device is closed.
   * @param make     throws a DeviceError when the device cannot hold it
   * @param onChange called when a device failed, and was opened again or another one took its place
   * @param trial    none for what nothing is computed with
   * @throws {DeviceError} DEVICE_UNSUPPORTED: none is left that can train
   */
  place<T extends Disposable>(
    make: (compute: Compute) => T,
    onChange: (report: DeviceReport) => void,
    trial: Trial<T> | null = null,
  ): Promise<{ placed: T; compute: Compute }> {
    return this.#inTurn(async () => {
      for (;;) {
        const compute = await this.#opened();
        let placed: T;
        try {
          placed = make(compute);
        } catch (error) {
          if (!(error instanceof DeviceError)) throw error;
          onChange(await this.#giveUp(`cannot hold the model: ${error.message}`));
          continue;
        }
        this.#held.add(placed);
        try {
          await trial?.run(placed);
          return { placed, compute };
        } catch (error) {
          if (!(error instanceof DeviceError)) throw error;
          onChange(await this.#recover(error, trial!.canHalve(placed)));
        }
      }
    });
  }

  /** Whether something that was placed is still on the device. */
  holds(placed: Disposable): boolean {
    return this.#held.has(placed);
  }

  /**
   * Opens a device again after a step on it failed: the same backend, or the next one. Whatever was uploaded is gone.
   * @param canHalve whether steps of half the size are possible
   * @throws {DeviceError} DEVICE_UNSUPPORTED: none is left that can train
   */
  recover(failure: DeviceError, canHalve: boolean): Promise<DeviceReport> {
    return this.#inTurn(() => this.#recover(failure, canHalve));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  async #check(forced: BackendName | null): Promise<DeviceReport> {
    this.#close();
    this.#forced = forced;
    this.#openedAgain.clear();
    this.#candidates = await this.#source.probe();
    return await this.#openNext([]);
  }

  async #opened(): Promise<Compute> {
    if (!this.#compute) await this.#check(this.#forced);
    return this.#compute!;
  }

  async #recover(failure: DeviceError, canHalve: boolean): Promise<DeviceReport> {
    const { backend, troubles } = await this.#ready();
    const halve = failure.failure === 'memory' && canHalve;
    if (!halve && this.#openedAgain.has(backend))
      return await this.#giveUp(`failed again after it was opened again: ${failure.message}`);
    if (halve) this.#stepShare /= 2;
    else this.#openedAgain.add(backend);
    this.#close();
    try {
      this.#compute = await this.#openTested(backend);
    } catch (error) {
      return await this.#giveUp(`failed (${failure.message}) and did not start again (${textOf(error)})`);
    }
    const then = halve ? 'smaller-steps' : 'opened-again';
    return this.#tell({ troubles: [...troubles, { backend, what: failure.message, then }] });
  }

  /**
   * Opens the next backend, and never the present one again.
   * @param what is wrong with the present one, for people
   * @throws {DeviceError} DEVICE_UNSUPPORTED: none is left that can train
   */
  async #giveUp(what: string): Promise<DeviceReport> {
    const { backend, troubles } = await this.#ready();
    this.#close();
    this.#ruleOut(backend, what);
    return await this.#openNext([...troubles, { backend, what, then: 'next-backend' }]);
  }

  async #ready(): Promise<DeviceReport> {
    return this.#report ?? (await this.#check(this.#forced));
  }

  async #openNext(troubles: DeviceTrouble[]): Promise<DeviceReport> {
    this.#stepShare = 1;
    for (;;) {
      const { backend, reason } = chooseBackend(this.#candidates, this.#forced);
      try {
        this.#compute = await this.#openTested(backend);
      } catch (error) {
        this.#ruleOut(backend, textOf(error));
        continue;
      }
      const candidates = this.#candidates;
      return this.#tell({ candidates, backend, reason, forced: this.#forced !== null, troubles });
    }
  }

  /** @throws {Error} it does not start, or computes wrongly */
  async #openTested(backend: BackendName): Promise<Compute> {
    const compute = await this.#source.open(backend, this.#wasmUrls ? { wasmUrls: this.#wasmUrls } : {});
    try {
      await selfTest(compute);
      return compute;
    } catch (error) {
      compute.dispose();
      throw error;
    }
  }

  #ruleOut(backend: BackendName, detail: string): void {
    this.#candidates = this.#candidates.map((candidate) =>
      candidate.backend === backend ? { ...candidate, available: false, detail } : candidate,
    );
  }

  #tell(change: DeviceReport | Pick<DeviceReport, 'troubles'>): DeviceReport {
    this.#report = { ...this.#report!, ...change };
    return this.#report;
  }

  #close(): void {
    for (const held of this.#held) disposeQuietly(held);
    this.#held.clear();
    this.#compute?.dispose();
    this.#compute = null;
  }
}

/** A device that failed may refuse that too; what was on it goes with it. */
function disposeQuietly(held: Disposable): void {
  try {
    held.dispose();
  } catch (error) {
    console.warn('What was on a device that failed could not be freed by itself.', error);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
