import { ChoraleError } from '@chorale/protocol';
import { moveClockBack } from './clockShift.ts';
import type { StepContext } from './dueTransitions.ts';
import { finishRound, settle } from './dueTransitions.ts';
import type { EngineState, OpenRound, Phase } from './engineState.ts';
import { hasEnded, openRound } from './engineState.ts';
import type { RoundEffect, RoundEvent } from './roundEvents.ts';
import { graceEndMs } from './roundRules.ts';
import type { Transition } from './stateEdits.ts';
import {
  chain,
  edit,
  endRound,
  enterPhase,
  isUndelivered,
  startRound,
  transition,
  undelivered,
  withDurable,
  withGraces,
  withPhase,
  withPresence,
  withReceived,
  withoutGrace,
} from './stateEdits.ts';

/**
 * One step of a run: recruiting → training → aggregating → evaluating → recruiting … → completed, with paused, stopped
 * and failed beside it (`TRANSITIONS`). Pure: the old state stays valid, so the caller may compute several steps, store
 * what they changed, and only then take the last state over and carry out the effects; when storing fails, nothing has
 * happened. A step that changes nothing returns the same state (`===`). Joins, updates and the like cost the same for
 * any number of contributors; only steps with a transition count all of them.
 * @throws {ChoraleError} RUN_ENDED or RUN_STATE when the event is not possible now; NOT_JOINED for the availability of
 *   somebody who is not connected. The state is then unchanged.
 */
export function step(state: EngineState, event: RoundEvent, context: StepContext): Transition {
  const { nowMs } = context;
  const ready = nowMs < state.steppedAtMs ? moveClockBack(state, nowMs) : state;
  let done = apply(ready, event, context);
  // What an event makes due (a full cohort, a complete round, a passed deadline) happens in the same step.
  for (let next = settle(done.state, context); next !== undefined; next = settle(done.state, context)) {
    const { state: after, effects, transitions } = next;
    done = {
      state: after,
      effects: [...done.effects, ...effects],
      transitions: [...done.transitions, ...transitions],
    };
  }
  return done.state === state ? done : { ...done, state: { ...done.state, steppedAtMs: nowMs } };
}

/** Effects a restored state still owes: a crash may have come between storing a phase and carrying it out. */
export function owedEffects(state: EngineState): RoundEffect[] {
  const { phase, adapterVersion } = state.durable;
  if (phase.status === 'aggregating') return [{ type: 'aggregate' }];
  if (phase.status === 'evaluating') return [{ type: 'evaluate', round: phase.closed.round, adapterVersion }];
  return [];
}

function apply(state: EngineState, event: RoundEvent, context: StepContext): Transition {
  switch (event.type) {
    case 'join':
      return join(state, event.contributorId, event.available ?? true, context);
    case 'availability':
      return setAvailability(state, event.contributorId, event.available, context);
    case 'disconnect':
      return disconnect(state, event.contributorId, context);
    case 'leave':
      return edit(withoutGrace(withPresence(state, event.contributorId, null), event.contributorId));
    case 'update-stored':
      return updateStored(state, event.contributorId);
    case 'tick':
      return edit(state);
    case 'aggregated':
      return aggregated(state, context);
    case 'aggregation-failed':
      return aggregationFailed(state, event.message);
    case 'evaluated':
      return evaluated(state, event.warning, context);
    case 'pause':
      return pause(state);
    case 'resume':
      return resume(state, context);
    case 'stop':
      return stop(state, context);
  }
}

/* ------------------------------------------------ contributors ------------------------------------------------ */

function join(
  state: EngineState,
  contributorId: string,
  available: boolean,
  context: StepContext,
): Transition {
  const present = withPresence(state, contributorId, available);
  return available ? offerRound(present, contributorId) : edit(withGrace(present, contributorId, context));
}

function setAvailability(
  state: EngineState,
  contributorId: string,
  available: boolean,
  context: StepContext,
): Transition {
  const before = state.presence.get(contributorId);
  if (before === undefined)
    throw new ChoraleError('NOT_JOINED', 'expected a contributor who has joined; join first');
  // Who paused in the middle of the round and comes back may have dropped the work: it is offered again.
  return before === available ? edit(state) : join(state, contributorId, available, context);
}

function disconnect(state: EngineState, contributorId: string, context: StepContext): Transition {
  if (!state.presence.has(contributorId)) return edit(state);
  return edit(withGrace(withPresence(state, contributorId, null), contributorId, context));
}

/** She is there: the open round, if it wants her update, waits for her without a grace. */
function offerRound(state: EngineState, contributorId: string): Transition {
  const open = openRound(state.durable.phase);
  if (!open || !isUndelivered(state, contributorId)) return edit(state);
  return edit(withoutGrace(state, contributorId), [
    startRound(open, state.durable.adapterVersion, [contributorId]),
  ]);
}

/** The open round, if it wants her update, goes on waiting for a while. A grace that runs already is not made longer. */
function withGrace(state: EngineState, contributorId: string, { rules, nowMs }: StepContext): EngineState {
  if (!isUndelivered(state, contributorId) || state.graces.has(contributorId)) return state;
  return withGraces(state, [contributorId], graceEndMs(nowMs, rules.reconnectGraceMs));
}

function updateStored(state: EngineState, contributorId: string): Transition {
  if (!isUndelivered(state, contributorId)) {
    throw new ChoraleError('RUN_STATE', `expected a member whose update is awaited, got ${contributorId}`);
  }
  return edit(withReceived(state, contributorId));
}

/* ------------------------------------------------ the server's reports ------------------------------------------------ */

function aggregated(state: EngineState, { nowMs }: StepContext): Transition {
  const { closed, then } = expectPhase(state, 'aggregating', 'report an aggregate');
  const adapterVersion = state.durable.adapterVersion + 1;
  const phase: Phase = {
    status: 'evaluating',
    closed,
    then: then === 'pause' ? 'pause' : 'go-on',
    sinceMs: nowMs,
  };
  const evaluating = transition('aggregated', withDurable(state, { phase, adapterVersion }), [
    endRound(closed, 'aggregated', state.received.size, adapterVersion, [...closed.cohort]),
    { type: 'evaluate', round: closed.round, adapterVersion },
  ]);
  return then === 'stop' ? chain(evaluating, (next) => stopped(next, closed.round)) : evaluating;
}

function aggregationFailed(state: EngineState, message: string): Transition {
  const { closed } = expectPhase(state, 'aggregating', 'report a failed aggregate');
  const { round, cohort } = closed;
  return transition('aggregation-failed', enterPhase(state, { status: 'failed', round, message }, null), [
    endRound(closed, 'abandoned', state.received.size, state.durable.adapterVersion, [...cohort]),
  ]);
}

function evaluated(state: EngineState, warning: string | null, context: StepContext): Transition {
  expectPhase(state, 'evaluating', 'report an evaluation');
  return finishRound(withDurable(state, { warning }), context);
}

/* ------------------------------------------------ the admin ------------------------------------------------ */

function pause(state: EngineState): Transition {
  const { phase } = state.durable;
  switch (phase.status) {
    case 'recruiting': {
      const hold = { kind: 'between', next: phase.next } as const;
      return transition('run-paused', enterPhase(state, { status: 'paused', hold }));
    }
    case 'training': {
      const hold = { kind: 'open', open: phase.open } as const;
      return transition('run-paused', withPhase(state, { status: 'paused', hold }));
    }
    case 'aggregating':
    case 'evaluating':
      if (phase.then !== 'go-on') throw refused('pause', 'it pauses or stops already');
      return transition('pause-asked', withPhase(state, { ...phase, then: 'pause' }));
    case 'paused':
      throw refused('pause', 'it is paused already');
    case 'completed':
    case 'stopped':
    case 'failed':
      throw ended(phase);
  }
}

function resume(state: EngineState, { nowMs }: StepContext): Transition {
  const { phase } = state.durable;
  switch (phase.status) {
    case 'paused': {
      if (phase.hold.kind === 'open') {
        return transition('round-resumed', withPhase(state, { status: 'training', open: phase.hold.open }));
      }
      const { next } = phase.hold;
      const recruiting: Phase = { status: 'recruiting', next, sinceMs: nowMs, notBeforeMs: nowMs };
      return transition('recruiting-resumed', enterPhase(state, recruiting));
    }
    case 'aggregating':
    case 'evaluating':
      if (phase.then !== 'pause') throw refused('resume', 'it is not paused');
      return transition('pause-withdrawn', withPhase(state, { ...phase, then: 'go-on' }));
    case 'recruiting':
    case 'training':
      throw refused('resume', 'it is not paused');
    case 'completed':
    case 'stopped':
    case 'failed':
      throw ended(phase);
  }
}

function stop(state: EngineState, { rules, nowMs }: StepContext): Transition {
  const { phase } = state.durable;
  switch (phase.status) {
    case 'recruiting':
      return stopped(state, phase.next.round);
    case 'training':
      return stopOpen(state, phase.open);
    case 'paused':
      return phase.hold.kind === 'open'
        ? stopOpen(state, phase.hold.open)
        : stopped(state, phase.hold.next.round);
    case 'aggregating':
      // Everything for the next adapter is there; it is finished first, unless that turns out to take forever.
      if (phase.then !== 'stop')
        return transition('stop-asked', withPhase(state, { ...phase, then: 'stop' }));
      if (nowMs < phase.sinceMs + rules.aggregationPatienceMs) {
        throw refused(
          'stop',
          'it stops as soon as the round is aggregated; if that never ends, stop it again',
        );
      }
      return stopped(state, phase.closed.round, [
        endRound(phase.closed, 'abandoned', state.received.size, state.durable.adapterVersion, [
          ...phase.closed.cohort,
        ]),
      ]);
    case 'evaluating':
      return stopped(state, phase.closed.round);
    case 'completed':
    case 'stopped':
    case 'failed':
      throw ended(phase);
  }
}

/** Whose update is stored is not told that the round was given up: she has done her part. */
function stopOpen(state: EngineState, open: OpenRound): Transition {
  return stopped(state, open.round, [
    endRound(open, 'abandoned', state.received.size, state.durable.adapterVersion, undelivered(open, state)),
  ]);
}

function stopped(state: EngineState, round: number, effects: readonly RoundEffect[] = []): Transition {
  return transition('run-stopped', enterPhase(state, { status: 'stopped', round }, null), effects);
}

/* ------------------------------------------------ refusals ------------------------------------------------ */

function expectPhase<Status extends Phase['status']>(
  state: EngineState,
  status: Status,
  what: string,
): Phase & { status: Status } {
  const { phase } = state.durable;
  if (phase.status !== status) {
    throw new ChoraleError(
      'RUN_STATE',
      `cannot ${what}: expected the run to be ${status}, it is ${phase.status}`,
    );
  }
  return phase as Phase & { status: Status };
}

function refused(action: string, because: string): ChoraleError {
  return new ChoraleError('RUN_STATE', `cannot ${action} the run: ${because}`);
}

function ended(phase: Phase): ChoraleError {
  return new ChoraleError('RUN_ENDED', `the run is ${phase.status}; create a new run to go on`);
}

/** @throws {ChoraleError} RUN_ENDED */
export function assertNotEnded(state: EngineState): void {
  if (hasEnded(state.durable.phase)) throw ended(state.durable.phase);
}
