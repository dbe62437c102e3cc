export { createNodeContributor } from './nodeContributor.ts';
export { defaultLedgerPath } from './fileLedger.ts';
export { defaultModelCachePath } from './directoryPieceCache.ts';
export type { ContributorController, ContributorState, Limits } from '../state.ts';
export { fetchRun } from '../runFacts.ts';
