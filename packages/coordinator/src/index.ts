export { DEFAULT_ROUND_TIMING, roundRules, attemptBackoffMs } from './roundRules.ts';
export type { RoundRules, RoundTiming } from './roundRules.ts';
export { initialState, serializeState, restoreState, openRound, hasEnded } from './engineState.ts';
export type {
  EngineState,
  DurableState,
  Phase,
  OpenRound,
  NextRound,
  ClosedRound,
  Member,
  Presence,
} from './engineState.ts';
export type { RoundEvent, RoundEffect } from './roundEvents.ts';
export { step, owedEffects, assertNotEnded } from './roundEngine.ts';
export type { StepContext } from './dueTransitions.ts';
export type { Transition } from './stateEdits.ts';
export { chooseMembers } from './cohort.ts';
export type { RandomInt } from './cohort.ts';
export { checkUpdate } from './checkUpdate.ts';
export type { ArrivedUpdate } from './checkUpdate.ts';
export { runView, cohortView, nextTimeoutMs } from './runView.ts';
export type { MemberView } from './runView.ts';
export type { Aggregator, ClientUpdate } from './aggregation/clientUpdate.ts';
export { meanAggregator } from './aggregation/meanAggregator.ts';
export { applyServerSgd } from './aggregation/serverOptimizer.ts';
export { aggregateRound } from './aggregation/aggregateRound.ts';
