import type { DurableState, EngineState, Member, OpenRound, Phase, Presence } from './engineState.ts';
import type { RoundEffect } from './roundEvents.ts';

/* Small edits of the immutable state, and the two messages to contributors, that every transition is made of. */

export type Transition = { state: EngineState; effects: readonly RoundEffect[] };

export function findMember(open: OpenRound, contributorId: string): Member | undefined {
  return open.members.find((member) => member.contributorId === contributorId);
}

export function setMember(open: OpenRound, contributorId: string, memberState: Member['state']): OpenRound {
  return {
    ...open,
    members: open.members.map((member) =>
      member.contributorId === contributorId ? { contributorId, state: memberState } : member,
    ),
  };
}

export function undelivered(open: OpenRound): string[] {
  return open.members.filter((member) => member.state !== 'received').map((member) => member.contributorId);
}

export function startRound(
  open: OpenRound,
  adapterVersion: number,
  contributorIds: readonly string[],
): RoundEffect {
  const { round, attempt, deadlineMs } = open;
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

export function only(state: EngineState): Transition {
  return { state, effects: [] };
}

export function withDurable(state: EngineState, durable: DurableState): EngineState {
  return { ...state, durable };
}

export function withPhase(state: EngineState, phase: Phase): EngineState {
  return withDurable(state, { ...state.durable, phase });
}

export function withOpenRound(state: EngineState, open: OpenRound): EngineState {
  return state.durable.phase.status === 'paused'
    ? withPhase(state, { status: 'paused', hold: { kind: 'open', open } })
    : withPhase(state, { status: 'training', open });
}

export function withPresence(
  state: EngineState,
  contributorId: string,
  presence: Presence | null,
): EngineState {
  const next = new Map(state.presence);
  if (presence === null) next.delete(contributorId);
  else next.set(contributorId, presence);
  return { ...state, presence: next };
}

export function forgetOffline(state: EngineState): EngineState {
  const online = [...state.presence].filter(([, presence]) => presence.online);
  return { ...state, presence: new Map(online) };
}
