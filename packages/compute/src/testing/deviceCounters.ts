import * as tf from '@tensorflow/tfjs-core';

/** What some synchronous work asked of the device. */
export type DeviceUse = {
  /** Most bytes that its tensors held at one time, beside those that were there before. */
  peakBytes: number;
  /** Programs that the GPU was given, on webgpu and webgl; else null. */
  kernels: number | null;
  /**
   * Tensors that were written, on wasm and cpu; else null. Not the number of kernel calls: an operation can be many, ours on
   * wasm are one for each head and panel, and tfjs has kernels that call others.
   */
  resultsWritten: number | null;
};

type Count = 'kernels' | 'resultsWritten';

/** What a backend calls once for each thing that is counted. */
const COUNTED_METHODS: Record<string, [count: Count, method: string]> = {
  webgpu: ['kernels', 'runWebGPUProgram'],
  webgl: ['kernels', 'runWebGLProgram'],
  wasm: ['resultsWritten', 'makeOutput'],
  cpu: ['resultsWritten', 'makeTensorInfo'],
};

/** Counts while the body runs, whose result the caller disposes. */
export function useOfDevice<T>(body: () => T): { result: T; use: DeviceUse } {
  const engine = tf.engine();
  const backend = tf.backend() as unknown as Record<string, (...given: unknown[]) => unknown>;
  const [counted, method] = COUNTED_METHODS[tf.getBackend()]!;
  const before = tf.memory().numBytes;
  let count = 0;
  let peakBytes = 0;
  const restore = [
    wrap(engine as unknown as typeof backend, 'trackTensor', () => {
      peakBytes = Math.max(peakBytes, engine.state.numBytes - before);
    }),
    wrap(backend, method, () => count++),
  ];
  try {
    const result = body();
    return { result, use: { peakBytes, kernels: null, resultsWritten: null, [counted]: count } };
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
