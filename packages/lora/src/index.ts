export { adapterLayout } from './adapterLayout.ts';
export type { AdapterConfig, AdapterLayout, AdaptedModule } from './adapterLayout.ts';
export { deriveBasis, basisBytes } from './basis.ts';
export type { Basis } from './basis.ts';
export { initialHead, initialParameters } from './parameters.ts';
export { uploadFrozenAdapter, disposeFrozenAdapter, adaptersOf } from './adapterTensors.ts';
export type { FrozenAdapter } from './adapterTensors.ts';
export { writePeft } from './peft.ts';
export type { PeftExportInfo } from './peft.ts';
