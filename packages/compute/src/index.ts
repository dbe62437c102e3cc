export { DeviceError } from './deviceError.ts';
export { BACKEND_ORDER, probeBackends, chooseBackend } from './backendProbe.ts';
export type { BackendName, BackendProbe } from './backendProbe.ts';
export { openCompute } from './compute.ts';
export type { Compute, WasmUrls } from './compute.ts';
export type { Ops, Tensor, TensorTree, FrozenMatrix, LayerNormSaved, AttentionSaved } from './ops.ts';
