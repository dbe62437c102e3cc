import type { BackendName } from './backendProbe.ts';
import type { Ops } from './ops.ts';
import { createTfjsOps } from './tfjsOps.ts';
import { startWasmKernels } from './wasm/wasmKernels.ts';
import { createWasmOps } from './wasm/wasmOps.ts';

/** Operations, and how often they keep a frozen matrix. */
export type BackendOps = { ops: Ops; frozenCopies: 1 | 2 };

/** The operations on the backend that is set: tfjs's, and on wasm our own kernels where they start. */
export function createOps(backend: BackendName): BackendOps {
  const kernels = backend === 'wasm' ? startWasmKernels() : null;
  if (kernels) {
    const ops = { ...createTfjsOps({ storeTransposed: false }), ...createWasmOps(kernels) };
    return { ops, frozenCopies: 1 };
  }
  // tfjs on wasm multiplies a transposed operand ten times slower, so both orientations are stored; on cpu too
  const storeTransposed = backend === 'wasm' || backend === 'cpu';
  return { ops: createTfjsOps({ storeTransposed }), frozenCopies: storeTransposed ? 2 : 1 };
}
