import * as tf from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { DeviceError } from './deviceError.ts';
import type { BackendName } from './backendProbe.ts';
import type { Ops } from './ops.ts';
import { createTfjsOps } from './tfjsOps.ts';

/** An opened backend: the operations, and the guard that every step whose result may leave the tab runs in. */
export type Compute = {
  readonly backend: BackendName;
  readonly ops: Ops;
  /**
   * Runs one step and lets its result through only if the device reported no error and a known answer came out right.
   * tfjs itself never looks at WebGPU errors: a failed dispatch returns stale bytes of another tensor.
   * @throws {DeviceError} DEVICE_ERROR; whatever the step computed must be thrown away
   */
  guard<T>(step: () => Promise<T>): Promise<T>;
};

/** Where the browser finds tfjs's WebAssembly files; Node finds them by itself. */
export type WasmUrls = { plain: string; simd: string; threadedSimd: string };

/**
 * Opens a backend. tfjs has one backend per realm, so there is one `Compute` per worker.
 * @throws {DeviceError} DEVICE_UNSUPPORTED when it does not start
 */
export async function openCompute(
  backend: BackendName,
  options: { wasmUrls?: WasmUrls } = {},
): Promise<Compute> {
  switch (backend) {
    case 'webgpu':
      await import('@tensorflow/tfjs-backend-webgpu');
      // Small tensors would be computed in JavaScript and never touch the GPU that is being checked
      tf.env().set('WEBGPU_CPU_FORWARD', false);
      break;
    case 'webgl':
      await import('@tensorflow/tfjs-backend-webgl');
      tf.env().set('WEBGL_CPU_FORWARD', false);
      break;
    case 'wasm': {
      const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      // Its threads start from blob: addresses, which our content security policy forbids, and only speed up XNNPACK
      tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
      if (options.wasmUrls) {
        setWasmPaths({
          'tfjs-backend-wasm.wasm': options.wasmUrls.plain,
          'tfjs-backend-wasm-simd.wasm': options.wasmUrls.simd,
          'tfjs-backend-wasm-threaded-simd.wasm': options.wasmUrls.threadedSimd,
        });
      }
      break;
    }
    case 'cpu':
      await import('@tensorflow/tfjs-backend-cpu');
      // Under Node this backend prints an advertisement for tfjs-node on first use, unless in production mode
      tf.enableProdMode();
      break;
  }
  await startBackend(backend);
  if (backend === 'webgl' && !tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')) {
    throw new DeviceError(
      'DEVICE_UNSUPPORTED',
      'WebGL computes in 16 bits on this device, too coarse for training.',
    );
  }
  const ops = createTfjsOps({ storeTransposed: backend === 'wasm' || backend === 'cpu' });
  const guard =
    backend === 'webgpu' ? webGpuGuard((tf.backend() as WebGPUBackend).device, ops) : plainGuard(ops);
  return { backend, ops, guard };
}

/** tfjs answers false for a backend that fails to start, and throws for one that did not even register itself. */
async function startBackend(backend: BackendName): Promise<void> {
  const outcome = await settle(() => tf.setBackend(backend));
  if (!outcome.done || !outcome.result) {
    throw new DeviceError(
      'DEVICE_UNSUPPORTED',
      `The ${backend} backend did not start on this device. Choose another one.`,
      outcome.done ? {} : { cause: outcome.error },
    );
  }
  await tf.ready();
}

function plainGuard(ops: Ops): Compute['guard'] {
  return async (step) => {
    const result = await step();
    await checkKnownAnswer(ops);
    return result;
  };
}

function webGpuGuard(device: GPUDevice, ops: Ops): Compute['guard'] {
  let lost: string | null = null;
  void device.lost.then((info) => {
    lost = info.message || info.reason;
  });
  return async (step) => {
    if (lost !== null)
      throw new DeviceError('DEVICE_ERROR', `The graphics device was lost: ${lost}. Reload the page.`);
    const filters = ['validation', 'out-of-memory', 'internal'] as const;
    for (const filter of filters) device.pushErrorScope(filter);
    const outcome = await settle(async () => {
      const result = await step();
      await checkKnownAnswer(ops);
      return result;
    });
    // Scopes are a stack and must be popped whatever happened; a lost device answers null to all
    const errors: (GPUError | null)[] = [];
    for (const _ of filters) errors.push(await device.popErrorScope().catch(() => null));
    // Before the step's own error: what a step throws on a failed device says nothing of the cause
    const cause = outcome.done ? {} : { cause: outcome.error };
    const error = errors.find((e) => e !== null);
    if (error) throw new DeviceError('DEVICE_ERROR', `The graphics device reported: ${error.message}`, cause);
    if (lost !== null) {
      throw new DeviceError('DEVICE_ERROR', `The graphics device was lost: ${lost}. Reload the page.`, cause);
    }
    if (!outcome.done) throw outcome.error;
    return outcome.result;
  };
}

type Outcome<T> = { done: true; result: T } | { done: false; error: unknown };

async function settle<T>(body: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { done: true, result: await body() };
  } catch (error) {
    return { done: false, error };
  }
}

const CANARY_SIZE = 32;

/** A multiplication whose answer is known: every entry of ones times ones (size n) is n. */
async function checkKnownAnswer(ops: Ops): Promise<void> {
  const ones = new Float32Array(CANARY_SIZE * CANARY_SIZE).fill(1);
  const product = ops.scope(() => {
    const matrix = ops.tensor(ones, [CANARY_SIZE, CANARY_SIZE]);
    return ops.matMul(matrix, matrix);
  });
  const values = await ops.read(product);
  ops.dispose(product);
  if (values.length !== ones.length || values.some((value) => value !== CANARY_SIZE)) {
    throw new DeviceError(
      'DEVICE_ERROR',
      'The device computed a known product wrongly; its results were thrown away.',
    );
  }
}
