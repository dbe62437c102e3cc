import type { BackendName } from './backendProbe.ts';
import type { Ops } from './ops.ts';
import { createTfjsOps } from './tfjsOps.ts';
import { startWasmKernels } from './wasm/wasmKernels.ts';
import { createWasmOps } from './wasm/wasmOps.ts';

/** The operations on the backend that is set: tfjs's, and on wasm our own kernels where they start. */
export function createOps(backend: BackendName): Ops {
  if (backend === 'cpu') return createTfjsOps({ storeTransposed: true });
  if (backend !== 'wasm') return createTfjsOps({ storeTransposed: false });
  const kernels = startWasmKernels();
  // Without them: tfjs multiplies a transposed operand ten times slower, so both orientations are stored
  if (kernels === null) return createTfjsOps({ storeTransposed: true });
  return { ...createTfjsOps({ storeTransposed: false }), ...createWasmOps(kernels) };
}
