import type { RandomInt } from './cohort.ts';
import { chooseMembers } from './cohort.ts';
import type { ClosedRound, EngineState, Member, NextRound, OpenRound, Phase } from './engineState.ts';
import { openRound, receivedMembers } from './engineState.ts';
import type { RoundRules } from './roundRules.ts';
import { attemptBackoffMs } from './roundRules.ts';
import type { Transition } from './stateEdits.ts';
import { endRound, forgetOffline, startRound, undelivered, withPhase } from './stateEdits.ts';

/** What is injected: the time of the step in milliseconds, and randomness for the choice of cohorts. */
export type StepContext = { rules: RoundRules; nowMs: number; random: RandomInt };

/**
 * Does what is due now: starts a round that has its cohort, closes or abandons one that waits for nobody or too long.
 * @returns undefined when nothing is due
 */
export function settle(state: EngineState, context: StepContext): Transition | undefined {
  const { phase } = state.durable;
  if (phase.status === 'recruiting') return startWhenReady(state, phase, context);
  const open = openRound(phase);
  return open && closeWhenDue(state, open, context);
}

function startWhenReady(
  state: EngineState,
  { next, sinceMs, notBeforeMs }: Phase & { status: 'recruiting' },
  { rules, nowMs, random }: StepContext,
): Transition | undefined {
  if (nowMs < notBeforeMs) return undefined;
  const candidates = candidatesFor(state, next);
  const count = next.kept.length + candidates.length;
  const enough =
    count >= rules.cohortSize || (nowMs >= sinceMs + rules.deadlineMs && count >= rules.minimumUpdates);
  if (!enough) return undefined;
  const chosen = chooseMembers(candidates, rules.cohortSize - next.kept.length, random);
  const open: OpenRound = {
    round: next.round,
    attempt: next.attempt,
    startedAtMs: next.startedAtMs ?? nowMs,
    deadlineMs: nowMs + rules.deadlineMs,
    members: [
      ...next.kept.map((contributorId): Member => ({ contributorId, state: 'received' })),
      ...chosen.map((contributorId): Member => ({ contributorId, state: 'training' })),
    ],
  };
  return {
    state: withPhase(state, { status: 'training', open }),
    effects: [startRound(open, state.durable.adapterVersion, chosen)],
  };
}

/** Contributors who could be chosen for the next attempt: there, available, and not counted as received already. */
export function candidatesFor(state: EngineState, next: NextRound): string[] {
  const candidates: string[] = [];
  for (const [contributorId, presence] of state.presence) {
    if (presence.online && presence.available && !next.kept.includes(contributorId))
      candidates.push(contributorId);
  }
  return candidates;
}

function closeWhenDue(
  state: EngineState,
  open: OpenRound,
  { rules, nowMs }: StepContext,
): Transition | undefined {
  const received = receivedMembers(open);
  const complete = received.length === open.members.length;
  const nobodyAwaited = open.members.every(
    (member) => member.state !== 'training' || isGone(state, member.contributorId, nowMs),
  );
  if (!complete && !nobodyAwaited && nowMs < open.deadlineMs) return undefined;
  return complete || received.length >= rules.minimumUpdates
    ? close(state, open, received)
    : abandon(state, open, received, { rules, nowMs });
}

function close(state: EngineState, open: OpenRound, received: string[]): Transition {
  const closed: ClosedRound = {
    round: open.round,
    attempt: open.attempt,
    startedAtMs: open.startedAtMs,
    cohort: open.members.map((member) => member.contributorId),
    received,
  };
  const then = state.durable.phase.status === 'paused' ? 'pause' : 'go-on';
  return {
    state: forgetOffline(withPhase(state, { status: 'aggregating', closed, then })),
    effects: [{ type: 'aggregate' }],
  };
}

/** Gives the attempt up. Stored updates stay valid: the next attempt trains the same adapter version. */
function abandon(
  state: EngineState,
  open: OpenRound,
  received: string[],
  { rules, nowMs }: Pick<StepContext, 'rules' | 'nowMs'>,
): Transition {
  const next: NextRound = {
    round: open.round,
    attempt: open.attempt + 1,
    startedAtMs: open.startedAtMs,
    kept: received,
  };
  const phase: Phase =
    state.durable.phase.status === 'paused'
      ? { status: 'paused', hold: { kind: 'between', next } }
      : {
          status: 'recruiting',
          next,
          sinceMs: nowMs,
          notBeforeMs: nowMs + attemptBackoffMs(rules, next.attempt),
        };
  return {
    state: forgetOffline(withPhase(state, phase)),
    effects: [endRound(open, 'abandoned', received.length, state.durable.adapterVersion, undelivered(open))],
  };
}

/** True when the open round no longer waits for this member. */
export function isGone(state: EngineState, contributorId: string, nowMs: number): boolean {
  const presence = state.presence.get(contributorId);
  return presence === undefined || ('goneAtMs' in presence && nowMs >= presence.goneAtMs);
}
