import type { BackendName } from '@chorale/protocol';
import type { BackendProbe, Compute, DeviceError, WasmUrls } from '@chorale/trainer';
import { chooseBackend, openCompute, probeBackends, selfTest } from '@chorale/trainer';
import type { DeviceReport, DeviceTrouble } from './state.ts';

/** Where backends come from; a test may put broken ones here. */
export type DeviceSource = { probe: typeof probeBackends; open: typeof openCompute };

/**
 * The device of a worker: which backend computes, whether it may train, and what follows when it fails. One that failed
 * is opened again once, then the next one is tried; one that ran out of memory is opened again for steps of half the
 * size, as long as they can be halved.
 */
export class TrainingDevice {
  readonly #wasmUrls: WasmUrls | null;
  readonly #source: DeviceSource;
  #forced: BackendName | null = null;
  #candidates: BackendProbe[] = [];
  #report: DeviceReport | null = null;
  #compute: Compute | null = null;
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
  async check(forced: BackendName | null): Promise<DeviceReport> {
    this.#close();
    this.#forced = forced;
    this.#openedAgain.clear();
    this.#stepShare = 1;
    this.#candidates = await this.#source.probe();
    return await this.#openNext([]);
  }

  /** @throws {DeviceError} DEVICE_UNSUPPORTED: none can train */
  async opened(): Promise<Compute> {
    if (!this.#compute) await this.check(this.#forced);
    return this.#compute!;
  }

  /**
   * Opens a device again after a step on it failed: the same backend, or the next one. Whatever was uploaded is gone.
   * @param canHalve whether steps of half the size are possible
   * @throws {DeviceError} DEVICE_UNSUPPORTED: none is left that can train
   */
  async recover(failure: DeviceError, canHalve: boolean): Promise<DeviceReport> {
    const { backend, troubles } = await this.#ready();
    const halve = failure.failure === 'memory' && canHalve;
    if (!halve && this.#openedAgain.has(backend))
      return await this.giveUp(`failed again after it was opened again: ${failure.message}`);
    if (halve) this.#stepShare /= 2;
    else this.#openedAgain.add(backend);
    this.#close();
    try {
      this.#compute = await this.#openTested(backend);
    } catch (error) {
      return await this.giveUp(`failed (${failure.message}) and did not start again (${textOf(error)})`);
    }
    const then = halve ? 'smaller-steps' : 'opened-again';
    return this.#tell({ troubles: [...troubles, { backend, what: failure.message, then }] });
  }

  /**
   * Opens the next backend, and never the present one again.
   * @param what is wrong with the present one, for people
   * @throws {DeviceError} DEVICE_UNSUPPORTED: none is left that can train
   */
  async giveUp(what: string): Promise<DeviceReport> {
    const { backend, troubles } = await this.#ready();
    this.#close();
    this.#ruleOut(backend, what);
    return await this.#openNext([...troubles, { backend, what, then: 'next-backend' }]);
  }

  async #ready(): Promise<DeviceReport> {
    return this.#report ?? (await this.check(this.#forced));
  }

  async #openNext(troubles: DeviceTrouble[]): Promise<DeviceReport> {
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
    this.#compute?.dispose();
    this.#compute = null;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
