import type { Counts, DurableState, EngineState, Phase } from './engineState.ts';
import { openRound } from './engineState.ts';
import type { RoundEffect } from './roundEvents.ts';
import type { TransitionName } from './transitions.ts';
import { VersionedMap } from './versionedMap.ts';

/* Small edits of the immutable state, and the two messages to contributors, that every transition is made of. */

/** What a step gives: the new state, what to do once it is stored, and which transitions happened, in their order. */
export type Transition = {
  state: EngineState;
  effects: readonly RoundEffect[];
  transitions: readonly TransitionName[];
};

export function transition(
  name: TransitionName,
  state: EngineState,
  effects: readonly RoundEffect[] = [],
): Transition {
  return { state, effects, transitions: [name] };
}

/** A change that is no transition. */
export function edit(state: EngineState, effects: readonly RoundEffect[] = []): Transition {
  return { state, effects, transitions: [] };
}

/** `first`, and then what its state leads to. */
export function chain(first: Transition, next: (state: EngineState) => Transition): Transition {
  const second = next(first.state);
  return {
    state: second.state,
    effects: [...first.effects, ...second.effects],
    transitions: [...first.transitions, ...second.transitions],
  };
}

export function startRound(
  { round, attempt, deadlineMs }: { round: number; attempt: number; deadlineMs: number },
  adapterVersion: number,
  contributorIds: readonly string[],
): RoundEffect {
  return { type: 'start-round', round, attempt, adapterVersion, deadlineMs, contributorIds };
}

export function endRound(
  { round }: { round: number },
  outcome: 'aggregated' | 'abandoned',
  received: number,
  adapterVersion: number,
  contributorIds: readonly string[],
): RoundEffect {
  return { type: 'end-round', round, outcome, received, adapterVersion, contributorIds };
}

/** Members without a stored update. */
export function undelivered(
  { cohort }: { cohort: ReadonlySet<string> },
  { received }: EngineState,
): string[] {
  return [...cohort].filter((contributorId) => !received.has(contributorId));
}

/* ------------------------------------------------ the phase ------------------------------------------------ */

export function withDurable(state: EngineState, durable: Partial<DurableState>): EngineState {
  return { ...state, durable: { ...state.durable, ...durable } };
}

/** Goes to a phase of the same round in which the same members are waited for. */
export function withPhase(state: EngineState, phase: Phase): EngineState {
  return withDurable(state, { phase });
}

/**
 * Goes to a phase in which others are waited for than before: counts anew, and forgets the graces of a round that is no
 * longer open. Takes as long as there are contributors, so it is for the few steps a round has.
 * @param received null: none, since another round is under way
 */
export function enterPhase(
  state: EngineState,
  phase: Phase,
  received: EngineState['received'] | null = state.received,
): EngineState {
  const next: EngineState = {
    ...withPhase(state, phase),
    received: received ?? VersionedMap.of<true>(),
    graces: VersionedMap.of<number>(),
    nextGraceMs: Infinity,
    enoughSinceMs: null,
  };
  const counts: Counts = { available: 0, choosable: 0, training: 0 };
  for (const [contributorId] of next.presence) addTo(counts, next, contributorId, 1);
  return { ...next, counts };
}

/* ------------------------------------------------ one contributor ------------------------------------------------ */

/** Takes the change of one contributor over and counts her anew. */
function withOne(state: EngineState, contributorId: string, change: Partial<EngineState>): EngineState {
  const next = { ...state, ...change };
  const counts = { ...state.counts };
  addTo(counts, state, contributorId, -1);
  addTo(counts, next, contributorId, 1);
  return { ...next, counts };
}

function addTo(counts: Counts, state: EngineState, contributorId: string, sign: 1 | -1): void {
  if (!state.presence.get(contributorId)) return;
  counts.available += sign;
  if (state.received.has(contributorId)) return;
  counts.choosable += sign;
  if (openRound(state.durable.phase)?.cohort.has(contributorId)) counts.training += sign;
}

/** @param available null: offline */
export function withPresence(
  state: EngineState,
  contributorId: string,
  available: boolean | null,
): EngineState {
  const presence =
    available === null ? state.presence.delete(contributorId) : state.presence.set(contributorId, available);
  return presence === state.presence ? state : withOne(state, contributorId, { presence });
}

/** An update of hers is stored: nobody waits for her any more. */
export function withReceived(state: EngineState, contributorId: string): EngineState {
  return withOne(state, contributorId, {
    received: state.received.set(contributorId, true),
    graces: state.graces.delete(contributorId),
  });
}

/** Whether the open round waits for this contributor's update, or would if she were there. */
export function isUndelivered(state: EngineState, contributorId: string): boolean {
  const open = openRound(state.durable.phase);
  return open !== undefined && open.cohort.has(contributorId) && !state.received.has(contributorId);
}

/** The open round waits for these members until `endsMs` although they are not there or not available. */
export function withGraces(
  state: EngineState,
  contributorIds: readonly string[],
  endsMs: number,
): EngineState {
  if (contributorIds.length === 0) return state;
  let { graces } = state;
  for (const contributorId of contributorIds) graces = graces.set(contributorId, endsMs);
  return { ...state, graces, nextGraceMs: Math.min(state.nextGraceMs, endsMs) };
}

export function withoutGrace(state: EngineState, contributorId: string): EngineState {
  const graces = state.graces.delete(contributorId);
  return graces === state.graces ? state : { ...state, graces };
}

/** Takes graces out that are over, and finds the next end. Runs once per time at which one ends. */
export function endGraces(state: EngineState, nowMs: number): EngineState {
  if (nowMs < state.nextGraceMs) return state;
  let { graces } = state;
  let nextGraceMs = Infinity;
  for (const [contributorId, endsMs] of state.graces) {
    if (endsMs <= nowMs) graces = graces.delete(contributorId);
    else nextGraceMs = Math.min(nextGraceMs, endsMs);
  }
  return { ...state, graces, nextGraceMs };
}
