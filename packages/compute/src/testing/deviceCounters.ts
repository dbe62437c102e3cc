import * as tf from '@tensorflow/tfjs-core';

/** What some synchronous work asked of the device. */
export type DeviceUse = {
  /** Most bytes that its tensors held at one time, beside those that were there before. */
  peakBytes: number;
  /** GPU programs on webgpu and webgl; results written on wasm and cpu, where every kernel writes its own. */
  kernels: number;
};

/** What every kernel of a backend calls once. */
const KERNEL_METHODS: Record<string, string> = {
  webgpu: 'runWebGPUProgram',
  webgl: 'runWebGLProgram',
  wasm: 'makeOutput',
  cpu: 'makeTensorInfo',
};

/** Counts while the body runs, whose result the caller disposes. */
export function useOfDevice<T>(body: () => T): { result: T; use: DeviceUse } {
  const engine = tf.engine();
  const backend = tf.backend() as unknown as Record<string, (...given: unknown[]) => unknown>;
  const method = KERNEL_METHODS[tf.getBackend()]!;
  const before = tf.memory().numBytes;
  const use: DeviceUse = { peakBytes: 0, kernels: 0 };
  const restore = [
    wrap(engine as unknown as typeof backend, 'trackTensor', () => {
      use.peakBytes = Math.max(use.peakBytes, engine.state.numBytes - before);
    }),
    wrap(backend, method, () => use.kernels++),
  ];
  try {
    return { result: body(), use };
  } finally {
    for (const back of restore) back();
  }
}

/** Calls `after` after every call of a method, until the returned function is called. */
function wrap(
  owner: Record<string, (...given: unknown[]) => unknown>,
  method: string,
  after: () => void,
): () => void {
  const original = owner[method]!;
  owner[method] = function counted(...given) {
    const result = original.apply(owner, given);
    after();
    return result;
  };
  // The method is the class's: what lies over it goes away
  return () => void delete owner[method];
}

/** What is held now, over the whole backend. */
export type HeldMemory = {
  tensors: number;
  /** Pieces of memory; tensors can share one, and the backend has some of its own. */
  buffers: number;
  /** Bytes that the backend got from the system and keeps; null on cpu, where that is the engine's affair. */
  bytes: number | null;
};

export function heldMemory(): HeldMemory {
  const backend = tf.backend() as tf.KernelBackend & { wasm?: { HEAPU8: Uint8Array } };
  // What webgpu and webgl each call the bytes of their pools
  const memory = tf.memory() as ReturnType<typeof tf.memory> & {
    numBytesAllocatedInGPU?: number;
    numBytesInGPUAllocated?: number;
  };
  return {
    tensors: memory.numTensors,
    buffers: backend.numDataIds(),
    bytes:
      backend.wasm?.HEAPU8.length ?? memory.numBytesAllocatedInGPU ?? memory.numBytesInGPUAllocated ?? null,
  };
}
