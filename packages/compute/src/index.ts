export { DeviceError } from './deviceError.ts';
export type { DeviceFailure } from './deviceError.ts';
export { BACKEND_ORDER, probeBackends, chooseBackend } from './backendProbe.ts';
export type { BackendName, BackendProbe } from './backendProbe.ts';
export { openCompute } from './compute.ts';
export type { Compute, ComputeDevice, WasmUrls } from './compute.ts';
export type {
  Ops,
  Tensor,
  TensorTree,
  FrozenMatrix,
  Activation,
  LayerNormSaved,
  AttentionSaved,
} from './ops.ts';
