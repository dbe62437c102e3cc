export { createNodeContributor } from './nodeContributor.ts';
export type { ContributorController, ContributorState } from '../state.ts';
