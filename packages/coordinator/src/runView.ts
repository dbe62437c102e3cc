import type { MEMBER_STATES, RunState } from '@chorale/protocol';
import type { EngineState, OpenRound, Phase } from './engineState.ts';
import { openRound, receivedContributors, roundOf } from './engineState.ts';
import type { RoundRules } from './roundRules.ts';

const REASON_LIMIT = 300;

/** What everybody may know of where the run is, but its id. Costs the same for any number of contributors. */
export function runView(state: EngineState, rules: RoundRules, nowMs: number): Omit<RunState, 'runId'> {
  const { phase, adapterVersion, warning } = state.durable;
  const received = state.received.size;
  const reason =
    warning === null ? reasonOf(state, rules, nowMs) : `${reasonOf(state, rules, nowMs)}; ${warning}`;
  return {
    status: phase.status,
    reason: reason.length > REASON_LIMIT ? `${reason.slice(0, REASON_LIMIT - 1)}…` : reason,
    round: roundOf(phase, rules.roundCount),
    roundCount: rules.roundCount,
    adapterVersion,
    cohortSize: rules.cohortSize,
    available: state.counts.available,
    cohort: roundCohort(phase)?.size ?? received,
    received,
    timeLeftMs: timeLeftMs(state, rules, nowMs),
  };
}

export type MemberView = { contributorId: string; state: (typeof MEMBER_STATES)[number] };

/**
 * The cohort of the round that is open, aggregated or evaluated; between rounds, whose updates are kept for the next
 * attempt. As long as the cohort: not for every event.
 */
export function cohortView(state: EngineState, nowMs: number): MemberView[] {
  const { phase } = state.durable;
  const isOpen = openRound(phase) !== undefined;
  const ids = roundCohort(phase) ?? receivedContributors(state);
  return Array.from(ids, (contributorId) => ({ contributorId, state: memberState(contributorId) }));

  function memberState(contributorId: string): MemberView['state'] {
    if (state.received.has(contributorId)) return 'received';
    if (!isOpen) return 'dropped';
    const available = state.presence.get(contributorId);
    const isAwaited = available || (state.graces.get(contributorId) ?? -Infinity) > nowMs;
    if (!isAwaited) return 'dropped';
    return available === undefined ? 'disconnected' : 'training';
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
  if (phase.status === 'recruiting') {
    times.push(phase.notBeforeMs, phase.sinceMs + rules.deadlineMs);
    if (state.enoughSinceMs !== null) {
      times.push(Math.max(phase.notBeforeMs, state.enoughSinceMs + rules.extraWaitMs));
    }
  }
  if (phase.status === 'evaluating') times.push(phase.sinceMs + rules.evaluationLimitMs);
  const open = openRound(phase);
  if (open) times.push(open.deadlineMs, state.nextGraceMs);
  const pending = times.filter((timeMs) => timeMs > steppedAtMs && timeMs < Infinity);
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

function roundCohort(phase: Phase): ReadonlySet<string> | undefined {
  if (phase.status === 'aggregating' || phase.status === 'evaluating') return phase.closed.cohort;
  return openRound(phase)?.cohort;
}

function reasonOf(state: EngineState, rules: RoundRules, nowMs: number): string {
  const { phase } = state.durable;
  switch (phase.status) {
    case 'recruiting':
      return recruitingReason(state, phase, rules, nowMs);
    case 'training':
      return openReason(state, phase.open, rules);
    case 'aggregating':
      return `averaging ${plural(state.received.size, 'update')}${afterwards(phase.then)}`;
    case 'evaluating':
      return `measuring adapter version ${state.durable.adapterVersion} on the test file${afterwards(phase.then)}`;
    case 'paused':
      return phase.hold.kind === 'open'
        ? `paused by the admin; the open round may still finish: ${openReason(state, phase.hold.open, rules)}`
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
  const kept = state.received.size;
  const again =
    next.attempt > 1 ? ` (attempt ${next.attempt}${kept > 0 ? `, ${plural(kept, 'update')} kept` : ''})` : '';
  if (nowMs < notBeforeMs)
    return `too few updates arrived; round ${next.round} starts again in a moment${again}`;
  const count = kept + state.counts.choosable;
  if (count >= rules.cohortSize) {
    return `starting with ${count} contributors; waiting a moment for ${rules.askedSize - count} more${again}`;
  }
  const waited = nowMs >= sinceMs + rules.deadlineMs;
  const needed = waited ? `at least ${rules.minimumUpdates}` : String(rules.cohortSize);
  return `waiting for contributors: ${count} of ${needed}${again}`;
}

function openReason({ received }: EngineState, { cohort }: OpenRound, { cohortSize }: RoundRules): string {
  const asked = cohort.size > cohortSize ? ` (${cohort.size} asked)` : '';
  return `waiting for updates: ${received.size} of ${Math.min(cohort.size, cohortSize)}${asked}`;
}

function afterwards(then: 'go-on' | 'pause' | 'stop'): string {
  return then === 'go-on' ? '' : `; ${then === 'pause' ? 'pauses' : 'stops'} afterwards`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
