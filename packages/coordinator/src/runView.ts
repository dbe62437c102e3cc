import type { MEMBER_STATES, RunState } from '@chorale/protocol';
import type { EngineState, OpenRound, Phase } from './engineState.ts';
import { openRound, receivedMembers } from './engineState.ts';
import { candidatesFor, isGone } from './dueTransitions.ts';
import type { RoundRules } from './roundRules.ts';

const REASON_LIMIT = 300;

/** What everybody may know of where the run is, but its id. */
export function runView(state: EngineState, rules: RoundRules, nowMs: number): Omit<RunState, 'runId'> {
  const { phase, adapterVersion, warning } = state.durable;
  const reason =
    warning === null ? reasonOf(state, rules, nowMs) : `${reasonOf(state, rules, nowMs)}; ${warning}`;
  return {
    status: phase.status,
    reason: reason.length > REASON_LIMIT ? `${reason.slice(0, REASON_LIMIT - 1)}…` : reason,
    round: Math.min(roundOf(phase, rules), rules.roundCount),
    roundCount: rules.roundCount,
    adapterVersion,
    cohortSize: rules.cohortSize,
    available: [...state.presence.values()].filter((presence) => presence.online && presence.available)
      .length,
    ...cohortCounts(phase),
    timeLeftMs: timeLeftMs(state, rules, nowMs),
  };
}

export type MemberView = { contributorId: string; state: (typeof MEMBER_STATES)[number] };

/** The cohort of the open round, else of the round that is being aggregated or evaluated, else those kept for the next. */
export function cohortView(state: EngineState, nowMs: number): MemberView[] {
  const { phase } = state.durable;
  const open = openRound(phase);
  if (open) {
    return open.members.map((member) => ({
      contributorId: member.contributorId,
      state:
        member.state === 'left' ? 'dropped' : member.state === 'received' ? 'received' : waitingState(member),
    }));
  }
  const closed = phase.status === 'aggregating' || phase.status === 'evaluating' ? phase.closed : undefined;
  if (closed) {
    return closed.cohort.map((contributorId) => ({
      contributorId,
      state: closed.received.includes(contributorId) ? 'received' : 'dropped',
    }));
  }
  return keptBetween(phase).map((contributorId) => ({ contributorId, state: 'received' }));

  function waitingState({ contributorId }: { contributorId: string }): MemberView['state'] {
    if (isGone(state, contributorId, nowMs)) return 'dropped';
    return state.presence.get(contributorId)?.online ? 'training' : 'disconnected';
  }
}

/**
 * When the engine wants its next `tick`, in milliseconds of the injected clock; null when only an event can go on.
 * @param steppedAtMs the `nowMs` of the last step, not the present time: a deadline between the two has not been seen by
 *   any step, and the tick for it must still come
 */
export function nextTimeoutMs(state: EngineState, rules: RoundRules, steppedAtMs: number): number | null {
  const { phase } = state.durable;
  const times: number[] = [];
  if (phase.status === 'recruiting') times.push(phase.notBeforeMs, phase.sinceMs + rules.deadlineMs);
  const open = openRound(phase);
  if (open) {
    times.push(open.deadlineMs);
    for (const presence of state.presence.values()) if ('goneAtMs' in presence) times.push(presence.goneAtMs);
  }
  const pending = times.filter((timeMs) => timeMs > steppedAtMs);
  return pending.length === 0 ? null : Math.min(...pending);
}

function timeLeftMs(state: EngineState, rules: RoundRules, nowMs: number): number | null {
  const { phase } = state.durable;
  const open = openRound(phase);
  if (open) return Math.max(0, open.deadlineMs - nowMs);
  if (phase.status !== 'recruiting') return null;
  const left = phase.sinceMs + rules.deadlineMs - nowMs;
  return left > 0 ? left : null;
}

function roundOf(phase: Phase, rules: RoundRules): number {
  switch (phase.status) {
    case 'recruiting':
      return phase.next.round;
    case 'training':
      return phase.open.round;
    case 'aggregating':
    case 'evaluating':
      return phase.closed.round;
    case 'paused':
      return phase.hold.kind === 'open' ? phase.hold.open.round : phase.hold.next.round;
    case 'completed':
      return rules.roundCount;
    case 'stopped':
    case 'failed':
      return phase.round;
  }
}

function cohortCounts(phase: Phase): { cohort: number; received: number } {
  const open = openRound(phase);
  if (open) return { cohort: open.members.length, received: receivedMembers(open).length };
  if (phase.status === 'aggregating' || phase.status === 'evaluating') {
    return { cohort: phase.closed.cohort.length, received: phase.closed.received.length };
  }
  const kept = keptBetween(phase).length;
  return { cohort: kept, received: kept };
}

function keptBetween(phase: Phase): readonly string[] {
  if (phase.status === 'recruiting') return phase.next.kept;
  if (phase.status === 'paused' && phase.hold.kind === 'between') return phase.hold.next.kept;
  return [];
}

function reasonOf(state: EngineState, rules: RoundRules, nowMs: number): string {
  const { phase } = state.durable;
  switch (phase.status) {
    case 'recruiting':
      return recruitingReason(state, phase, rules, nowMs);
    case 'training':
      return openReason(phase.open);
    case 'aggregating':
      return `averaging ${plural(phase.closed.received.length, 'update')}${afterwards(phase.then)}`;
    case 'evaluating':
      return `measuring adapter version ${state.durable.adapterVersion} on the test file${afterwards(phase.then)}`;
    case 'paused':
      return phase.hold.kind === 'open'
        ? `paused by the admin; the open round may still finish: ${openReason(phase.hold.open)}`
        : 'paused by the admin';
    case 'completed':
      return `all ${rules.roundCount} rounds are done`;
    case 'stopped':
      return 'stopped by the admin';
    case 'failed':
      return phase.message;
  }
}

function recruitingReason(
  state: EngineState,
  { next, sinceMs, notBeforeMs }: Phase & { status: 'recruiting' },
  rules: RoundRules,
  nowMs: number,
): string {
  const again =
    next.attempt > 1
      ? ` (attempt ${next.attempt}${next.kept.length > 0 ? `, ${plural(next.kept.length, 'update')} kept` : ''})`
      : '';
  if (nowMs < notBeforeMs)
    return `too few updates arrived; round ${next.round} starts again in a moment${again}`;
  const count = next.kept.length + candidatesFor(state, next).length;
  const waited = nowMs >= sinceMs + rules.deadlineMs;
  const needed = waited ? `at least ${rules.minimumUpdates}` : String(rules.cohortSize);
  return `waiting for contributors: ${count} of ${needed}${again}`;
}

function openReason(open: OpenRound): string {
  return `waiting for updates: ${receivedMembers(open).length} of ${open.members.length}`;
}

function afterwards(then: 'go-on' | 'pause' | 'stop'): string {
  return then === 'go-on' ? '' : `; ${then === 'pause' ? 'pauses' : 'stops'} afterwards`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
