import type { BackendName } from './backendProbe.ts';
import { Canary } from './canary.ts';
import { guarded } from './guard.ts';
import type { Ops } from './ops.ts';
import { startBackend } from './startBackend.ts';
import { createOps } from './createOps.ts';

/** What computes. */
export type ComputeDevice = {
  /** For people: the adapter's name, or what stands in for one. */
  name: string;
  /** A renderer in software. */
  software: boolean;
  /** A larger tensor is refused with a DeviceError as soon as it is asked for; null where no such limit is known. */
  maxTensorBytes: number | null;
  /** How often it keeps a frozen matrix: 2 where it needs both orientations. */
  frozenCopies: 1 | 2;
};

/** An opened backend: the operations, and the guard that every step whose result may leave the tab runs in. */
export type Compute = {
  readonly backend: BackendName;
  readonly device: ComputeDevice;
  readonly ops: Ops;
  /**
   * Runs one step and lets its result through only if the device reported no error and known answers, enqueued before
   * every readback of the step, came out right. One step at a time, never one inside another.
   * @throws {DeviceError} DEVICE_ERROR; whatever the step computed must be thrown away
   * @throws {Error} another step is not through yet
   */
  guard<T>(step: () => Promise<T>): Promise<T>;
  /**
   * Releases the device and all that was uploaded to it, after which this or another backend can be opened. Nothing of
   * this `Compute` or of its tensors may be used afterwards.
   */
  dispose(): void;
};

/** Where the browser finds tfjs's WebAssembly files; Node finds them by itself. */
export type WasmUrls = { plain: string; simd: string; threadedSimd: string };

/**
 * Opens a backend. tfjs has one backend per realm, so there is one `Compute` per worker at a time.
 * @throws {DeviceError} DEVICE_UNSUPPORTED when it does not start
 */
export async function openCompute(
  backend: BackendName,
  options: { wasmUrls?: WasmUrls } = {},
): Promise<Compute> {
  const { device, watch, dispose } = await startBackend(backend, options);
  const { ops: reference, frozenCopies } = createOps(backend);
  // tfjs goes on counting the tensors that went with an earlier backend
  const liveBefore = reference.liveTensors();
  let watching = false;
  const ops: Ops = {
    ...reference,
    read(tensor) {
      if (watching) canary.plant();
      return reference.read(tensor);
    },
    liveTensors: () => reference.liveTensors() - liveBefore,
  };
  const canary = new Canary(ops, reference.read);
  return {
    backend,
    device: { ...device, frozenCopies },
    ops,
    async guard(step) {
      if (watching) throw new Error('expected one guarded step at a time; await the one before');
      watching = true;
      try {
        return await guarded(step, watch, canary);
      } finally {
        watching = false;
      }
    },
    dispose,
  };
}
