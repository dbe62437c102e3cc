import * as tf from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { MathBackendWebGL } from '@tensorflow/tfjs-backend-webgl';
import type { WebGPUBackend as TfjsWebGpuBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { BackendName } from './backendProbe.ts';
import type { ComputeDevice, WasmUrls } from './compute.ts';
import { DeviceError, tensorTooLarge } from './deviceError.ts';
import { gpuAdapterFacts, isSoftwareRenderer, requestGpuDevice, webGlRenderer } from './gpuAdapter.ts';
import { settle } from './guard.ts';
import type { StepWatch } from './stepWatch.ts';
import { processorWatch, webGlWatch, webGpuWatch } from './stepWatch.ts';

/** A tfjs backend that is set, with what was opened for it. */
export type StartedBackend = {
  device: Omit<ComputeDevice, 'frozenCopies'>;
  watch: StepWatch;
  /** Removes it, so that one of the same name can start afresh. */
  dispose(): void;
};

/** @throws {DeviceError} DEVICE_UNSUPPORTED when it does not start */
export function startBackend(
  backend: BackendName,
  { wasmUrls }: { wasmUrls?: WasmUrls },
): Promise<StartedBackend> {
  switch (backend) {
    case 'webgpu':
      return startWebGpu();
    case 'webgl':
      return startWebGl();
    case 'wasm':
      return startWasm(wasmUrls);
    case 'cpu':
      return startCpu();
  }
}

/** On a device of our own: tfjs asks for fewer limits, and never for another one when it is lost. */
async function startWebGpu(): Promise<StartedBackend> {
  const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
  // Small tensors would be computed in JavaScript and never touch the GPU that is being checked
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  const { device, info } = await requestGpuDevice();
  const maxTensorBytes = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);

  class BoundedBackend extends WebGPUBackend {
    /** Every tensor begins here, uploads and results alike. */
    override write(...tensor: Parameters<TfjsWebGpuBackend['write']>): object {
      const bytes = 4 * tf.util.sizeFromShape(tensor[1]); // Every element type of this backend takes four bytes
      if (bytes > maxTensorBytes) throw tensorTooLarge(bytes, maxTensorBytes);
      return super.write(...tensor);
    }
  }
  restartAs('webgpu', () => new BoundedBackend(device, info));
  const removeBackend = await set('webgpu');
  const { name, software } = gpuAdapterFacts(info);
  return {
    device: { name, software, maxTensorBytes },
    watch: webGpuWatch(device),
    dispose() {
      removeBackend();
      device.destroy();
    },
  };
}

async function startWebGl(): Promise<StartedBackend> {
  await import('@tensorflow/tfjs-backend-webgl');
  tf.env().set('WEBGL_CPU_FORWARD', false);
  const dispose = await set('webgl');
  if (!tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')) {
    dispose();
    throw new DeviceError(
      'DEVICE_UNSUPPORTED',
      'WebGL computes in 16 bits on this device, too coarse for training.',
    );
  }
  const gl = (tf.backend() as MathBackendWebGL).gpgpu.gl as WebGL2RenderingContext;
  const name = webGlRenderer(gl);
  return {
    // tfjs itself throws for a tensor that fits in no texture
    device: { name, software: isSoftwareRenderer(name), maxTensorBytes: null },
    watch: webGlWatch(gl),
    dispose() {
      dispose();
      // tfjs keeps the context, and with it whatever memory is not freed; a lost one it replaces
      gl.getExtension('WEBGL_lose_context')?.loseContext();
    },
  };
}

async function startWasm(urls: WasmUrls | undefined): Promise<StartedBackend> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  // Its threads start from blob: addresses, which our content security policy forbids, and only speed up XNNPACK
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (urls) {
    setWasmPaths({
      'tfjs-backend-wasm.wasm': urls.plain,
      'tfjs-backend-wasm-simd.wasm': urls.simd,
      'tfjs-backend-wasm-threaded-simd.wasm': urls.threadedSimd,
    });
  }
  const dispose = await set('wasm');
  boundAllocations((tf.backend() as BackendWasm).wasm as object as WasmAllocator);
  return {
    device: { name: 'WebAssembly', software: false, maxTensorBytes: MOST_WASM_BYTES },
    watch: processorWatch(),
    dispose,
  };
}

/** Addresses and sizes are 32 bits wide; with a sign, in some kernels. */
const MOST_WASM_BYTES = 2 ** 31 - 1;

/** The part of Emscripten's module that hands out memory, which tfjs's types leave out. */
type WasmAllocator = { _malloc: (bytes: number) => number; _free: (address: number) => void };

const bounded = new WeakSet<WasmAllocator>();

/**
 * tfjs takes whatever `_malloc` answers for an address: 0 when memory is full, where tensors then overwrite each other,
 * and a block much too small for a size over 32 bits.
 */
function boundAllocations(module: WasmAllocator): void {
  if (bounded.has(module)) return;
  bounded.add(module);
  // Emscripten puts the real function in the place of a first one when that is called
  module._free(module._malloc(4));
  const allocate = module._malloc;
  module._malloc = (bytes) => {
    if (bytes > MOST_WASM_BYTES) throw tensorTooLarge(bytes, MOST_WASM_BYTES);
    const address = allocate(bytes);
    if (address !== 0 || bytes === 0) return address;
    throw new DeviceError(
      'DEVICE_ERROR',
      `The memory of WebAssembly is full: ${bytes} bytes more were asked for. Close other tabs, or use a smaller model.`,
      { failure: 'memory' },
    );
  };
}

async function startCpu(): Promise<StartedBackend> {
  await import('@tensorflow/tfjs-backend-cpu');
  // Under Node this backend prints an advertisement for tfjs-node on first use, unless in production mode
  tf.enableProdMode();
  const dispose = await set('cpu');
  return {
    device: { name: 'JavaScript', software: false, maxTensorBytes: null },
    watch: processorWatch(),
    dispose,
  };
}

/**
 * Sets a registered backend.
 * @returns removes it again
 * @throws {DeviceError} DEVICE_UNSUPPORTED
 */
async function set(backend: BackendName): Promise<() => void> {
  // tfjs answers false for a backend that fails to start, and throws for one that did not even register itself
  const outcome = await settle(() => tf.setBackend(backend));
  if (!outcome.done || !outcome.result) {
    throw new DeviceError(
      'DEVICE_UNSUPPORTED',
      `The ${backend} backend did not start on this device. Choose another one.`,
      outcome.done ? {} : { cause: outcome.error },
    );
  }
  await tf.ready();
  const { registry, registryFactory } = tf.engine();
  const instance = tf.backend();
  return () => {
    // Another one of this name may have taken its place
    if (registry[backend] === instance) restartAs(backend, registryFactory[backend]!.factory);
  };
}

/** Removes a backend, if it is there, and says how one of its name starts from now on. */
function restartAs(backend: BackendName, factory: Parameters<typeof tf.registerBackend>[1]): void {
  if (tf.engine().registryFactory[backend]) tf.removeBackend(backend);
  tf.registerBackend(backend, factory);
}
