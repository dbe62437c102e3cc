import type { RandomInt } from './cohort.ts';
import { chooseMembers } from './cohort.ts';
import type { ClosedRound, EngineState, NextRound, OpenRound, Phase } from './engineState.ts';
import { openRound } from './engineState.ts';
import type { RoundRules } from './roundRules.ts';
import { attemptBackoffMs } from './roundRules.ts';
import type { Transition } from './stateEdits.ts';
import {
  chain,
  edit,
  endGraces,
  endRound,
  enterPhase,
  startRound,
  transition,
  undelivered,
  withDurable,
} from './stateEdits.ts';

/**
 * What is injected. `random` chooses the cohorts. `nowMs` is the time of the step in milliseconds; all limits are counted
 * by it, so the server gives a clock that only runs forwards and at the speed of time (performance.timeOrigin +
 * performance.now()), not the wall clock, which is set. A clock that jumps forwards is taken for time that passed: it
 * does what the deadline would. If it goes backwards all the same, every limit moves back with it (`moveClockBack`), so
 * that none is further away than it was: after such a jump nothing waits longer than its limit, counted anew.
 */
export type StepContext = { rules: RoundRules; nowMs: number; random: RandomInt };

/**
 * Does what is due now: starts a round that has its cohort, closes or abandons one that waits for nobody or too long,
 * gives up an evaluation that takes too long.
 * @returns undefined when nothing is due
 */
export function settle(state: EngineState, context: StepContext): Transition | undefined {
  const { phase } = state.durable;
  if (phase.status === 'recruiting') return startWhenReady(state, phase, context);
  if (phase.status === 'evaluating') return giveUpWhenDue(state, phase, context);
  const open = openRound(phase);
  return open && closeWhenDue(state, open, context);
}

/* ------------------------------------------------ recruiting ------------------------------------------------ */

function startWhenReady(
  state: EngineState,
  phase: Phase & { status: 'recruiting' },
  { rules, nowMs, random }: StepContext,
): Transition | undefined {
  const { next, sinceMs, notBeforeMs } = phase;
  const count = state.received.size + state.counts.choosable;
  const isEnough = count >= rules.cohortSize;
  if (isEnough !== (state.enoughSinceMs !== null)) {
    return edit({ ...state, enoughSinceMs: isEnough ? nowMs : null });
  }
  if (nowMs < notBeforeMs) return undefined;
  const starts =
    count >= rules.askedSize ||
    (state.enoughSinceMs !== null && nowMs >= state.enoughSinceMs + rules.extraWaitMs) ||
    (nowMs >= sinceMs + rules.deadlineMs && count >= rules.minimumUpdates);
  if (!starts) return undefined;
  const chosen = chooseMembers(choosable(state), rules.askedSize - state.received.size, random);
  const open: OpenRound = {
    round: next.round,
    attempt: next.attempt,
    startedAtMs: next.startedAtMs ?? nowMs,
    deadlineMs: nowMs + rules.deadlineMs,
    cohort: new Set([...state.received.sortedKeys(), ...chosen]),
  };
  return transition('round-started', enterPhase(state, { status: 'training', open }), [
    startRound(open, state.durable.adapterVersion, chosen),
  ]);
}

/** Who can be chosen for the next attempt, sorted: the choice depends on who is there and on `random` only. */
function choosable({ presence, received }: EngineState): string[] {
  const ids: string[] = [];
  for (const [contributorId, available] of presence) {
    if (available && !received.has(contributorId)) ids.push(contributorId);
  }
  return ids.toSorted();
}

/* ------------------------------------------------ the open round ------------------------------------------------ */

function closeWhenDue(state: EngineState, open: OpenRound, context: StepContext): Transition | undefined {
  const { rules, nowMs } = context;
  const present = endGraces(state, nowMs);
  const received = present.received.size;
  const isComplete = received >= Math.min(open.cohort.size, rules.cohortSize);
  const isNobodyAwaited = present.counts.training === 0 && present.graces.size === 0;
  if (!isComplete && !isNobodyAwaited && nowMs < open.deadlineMs) {
    return present === state ? undefined : edit(present);
  }
  return isComplete || received >= rules.minimumUpdates
    ? close(present, open, nowMs)
    : abandon(present, open, context);
}

function close(state: EngineState, open: OpenRound, nowMs: number): Transition {
  const { round, attempt, startedAtMs, cohort } = open;
  const closed: ClosedRound = { round, attempt, startedAtMs, cohort };
  const then = state.durable.phase.status === 'paused' ? 'pause' : 'go-on';
  const phase: Phase = { status: 'aggregating', closed, then, sinceMs: nowMs };
  return transition('round-closed', enterPhase(state, phase), [{ type: 'aggregate' }]);
}

/** Gives the attempt up. Stored updates stay valid: the next attempt trains the same adapter version. */
function abandon(state: EngineState, open: OpenRound, { rules, nowMs }: StepContext): Transition {
  const next: NextRound = { round: open.round, attempt: open.attempt + 1, startedAtMs: open.startedAtMs };
  const effects = [
    endRound(open, 'abandoned', state.received.size, state.durable.adapterVersion, undelivered(open, state)),
  ];
  if (state.durable.phase.status === 'paused') {
    const phase: Phase = { status: 'paused', hold: { kind: 'between', next } };
    return transition('round-parked', enterPhase(state, phase), effects);
  }
  const notBeforeMs = nowMs + attemptBackoffMs(rules, next.attempt);
  const phase: Phase = { status: 'recruiting', next, sinceMs: nowMs, notBeforeMs };
  return transition('round-abandoned', enterPhase(state, phase), effects);
}

/* ------------------------------------------------ after the round ------------------------------------------------ */

function giveUpWhenDue(
  state: EngineState,
  { closed, sinceMs }: Phase & { status: 'evaluating' },
  context: StepContext,
): Transition | undefined {
  const { rules, nowMs } = context;
  if (nowMs < sinceMs + rules.evaluationLimitMs) return undefined;
  const seconds = Math.round(rules.evaluationLimitMs / 1000);
  const warning = `the evaluation of round ${closed.round} took over ${seconds} s; the run went on without it`;
  return chain(transition('evaluation-given-up', withDurable(state, { warning })), (next) =>
    finishRound(next, context),
  );
}

/** Leaves `evaluating` for the next round, the pause that was asked for, or the end. */
export function finishRound(state: EngineState, { rules, nowMs }: StepContext): Transition {
  const { phase } = state.durable;
  if (phase.status !== 'evaluating') return edit(state);
  const { closed, then } = phase;
  if (closed.round >= rules.roundCount) {
    return transition('run-completed', enterPhase(state, { status: 'completed' }, null));
  }
  const next: NextRound = { round: closed.round + 1, attempt: 1, startedAtMs: null };
  const recruiting: Phase = { status: 'recruiting', next, sinceMs: nowMs, notBeforeMs: nowMs };
  const finished = transition('round-finished', enterPhase(state, recruiting, null));
  if (then === 'go-on') return finished;
  const paused: Phase = { status: 'paused', hold: { kind: 'between', next } };
  return chain(finished, (after) => transition('run-paused', enterPhase(after, paused)));
}
