import type { Binding } from '@chorale/protocol';
import { ChoraleError, encodeAdapter } from '@chorale/protocol';
import type { Store } from '@chorale/store';

/** The stored versions of one run's global adapter, and the newest one as it is sent. */
export class GlobalAdapters {
  readonly #store: Store;
  readonly #runId: string;
  readonly #binding: Binding;
  #encoded: { adapterVersion: number; bytes: Uint8Array } | undefined;

  constructor(store: Store, runId: string, binding: Binding) {
    this.#store = store;
    this.#runId = runId;
    this.#binding = binding;
  }

  /** @throws {ChoraleError} STORE_ERROR */
  parameters(adapterVersion: number): Float64Array {
    const adapter = this.#store.getAdapter(this.#runId, adapterVersion);
    if (adapter === undefined)
      throw new ChoraleError('STORE_ERROR', `expected adapter version ${adapterVersion}, it is not stored`);
    return adapter.parameters;
  }

  /** @throws {ChoraleError} STORE_ERROR */
  encoded(adapterVersion: number): Uint8Array {
    if (this.#encoded?.adapterVersion !== adapterVersion) {
      const parameters = Float32Array.from(this.parameters(adapterVersion));
      this.#encoded = { adapterVersion, bytes: encodeAdapter(parameters, adapterVersion, this.#binding) };
    }
    return this.#encoded.bytes;
  }
}
