import { ChoraleError } from '@chorale/protocol';
import type { StepContext } from './dueTransitions.ts';
import { settle } from './dueTransitions.ts';
import type { EngineState, NextRound, Phase, Presence } from './engineState.ts';
import { hasEnded, openRound, receivedMembers } from './engineState.ts';
import type { RoundEffect, RoundEvent } from './roundEvents.ts';
import type { Transition } from './stateEdits.ts';
import {
  endRound,
  findMember,
  forgetOffline,
  only,
  setMember,
  startRound,
  undelivered,
  withDurable,
  withOpenRound,
  withPhase,
  withPresence,
} from './stateEdits.ts';

/**
 * One step of a run: recruiting → training → aggregating → evaluating → recruiting … → completed, with paused, stopped
 * and failed beside it. Pure: the caller stores `state.durable` when it changed, and only then carries out the effects.
 * @throws {ChoraleError} RUN_ENDED or RUN_STATE when the event is not possible now; NOT_JOINED for the availability of
 *   somebody who is not connected. The state is then unchanged.
 */
export function step(state: EngineState, event: RoundEvent, context: StepContext): Transition {
  let transition = apply(state, event, context);
  // What an event makes due (a full cohort, a complete round, a passed deadline) happens in the same step.
  for (;;) {
    const next = settle(transition.state, context);
    if (next === undefined) return transition;
    transition = { state: next.state, effects: [...transition.effects, ...next.effects] };
  }
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
      return leave(state, event.contributorId);
    case 'update-stored':
      return updateStored(state, event.contributorId);
    case 'tick':
      return { state, effects: [] };
    case 'aggregated':
      return aggregated(state);
    case 'aggregation-failed':
      return aggregationFailed(state, event.message);
    case 'evaluated':
      return evaluated(state, event.warning, context);
    case 'pause':
      return pause(state);
    case 'resume':
      return resume(state, context);
    case 'stop':
      return stop(state);
  }
}

/* ------------------------------------------------ contributors ------------------------------------------------ */

function join(
  state: EngineState,
  contributorId: string,
  available: boolean,
  { rules, nowMs }: StepContext,
): Transition {
  const present = withPresence(
    state,
    contributorId,
    available
      ? { online: true, available }
      : { online: true, available, goneAtMs: nowMs + rules.reconnectGraceMs },
  );
  if (!available) return { state: present, effects: [] };
  const open = openRound(state.durable.phase);
  const member = open && findMember(open, contributorId);
  if (!open || !member || member.state === 'received') return { state: present, effects: [] };
  const rejoined = member.state === 'left' ? setMember(open, contributorId, 'training') : open;
  return {
    state: rejoined === open ? present : withOpenRound(present, rejoined),
    effects: [startRound(rejoined, state.durable.adapterVersion, [contributorId])],
  };
}

function setAvailability(
  state: EngineState,
  contributorId: string,
  available: boolean,
  { rules, nowMs }: StepContext,
): Transition {
  const before = state.presence.get(contributorId);
  if (!before?.online)
    throw new ChoraleError('NOT_JOINED', 'expected a contributor who has joined; join first');
  if (before.available === available) return { state, effects: [] };
  const open = openRound(state.durable.phase);
  // Somebody who paused in the middle of the round and comes back may have dropped the work: offer it again.
  const resumes = available && open !== undefined && findMember(open, contributorId)?.state === 'training';
  return {
    state: withPresence(
      state,
      contributorId,
      available
        ? { online: true, available }
        : { online: true, available, goneAtMs: nowMs + rules.reconnectGraceMs },
    ),
    effects: resumes ? [startRound(open, state.durable.adapterVersion, [contributorId])] : [],
  };
}

function disconnect(state: EngineState, contributorId: string, { rules, nowMs }: StepContext): Transition {
  if (!state.presence.get(contributorId)?.online) return { state, effects: [] };
  const open = openRound(state.durable.phase);
  const awaited = open !== undefined && findMember(open, contributorId)?.state === 'training';
  const presence: Presence | null = awaited
    ? { online: false, goneAtMs: nowMs + rules.reconnectGraceMs }
    : null;
  return { state: withPresence(state, contributorId, presence), effects: [] };
}

function leave(state: EngineState, contributorId: string): Transition {
  const absent = withPresence(state, contributorId, null);
  const open = openRound(state.durable.phase);
  // An update that is stored stays: it was released and acknowledged.
  if (!open || findMember(open, contributorId)?.state !== 'training') return { state: absent, effects: [] };
  return { state: withOpenRound(absent, setMember(open, contributorId, 'left')), effects: [] };
}

function updateStored(state: EngineState, contributorId: string): Transition {
  const open = openRound(state.durable.phase);
  const member = open && findMember(open, contributorId);
  if (!open || !member || member.state === 'received') {
    throw new ChoraleError('RUN_STATE', `expected a member whose update is awaited, got ${contributorId}`);
  }
  const stored = withOpenRound(state, setMember(open, contributorId, 'received'));
  const offline = state.presence.get(contributorId)?.online === false;
  return { state: offline ? withPresence(stored, contributorId, null) : stored, effects: [] };
}

/* ------------------------------------------------ the server's reports ------------------------------------------------ */

function aggregated(state: EngineState): Transition {
  const phase = expectPhase(state, 'aggregating', 'report an aggregate');
  const { closed } = phase;
  const adapterVersion = state.durable.adapterVersion + 1;
  const next: Phase =
    phase.then === 'stop'
      ? { status: 'stopped', round: closed.round }
      : { status: 'evaluating', closed, then: phase.then };
  return {
    state: withDurable(state, { ...state.durable, phase: next, adapterVersion }),
    effects: [
      endRound(closed, 'aggregated', closed.received.length, adapterVersion, closed.cohort),
      { type: 'evaluate', round: closed.round, adapterVersion },
    ],
  };
}

function aggregationFailed(state: EngineState, message: string): Transition {
  const { closed } = expectPhase(state, 'aggregating', 'report a failed aggregate');
  return {
    state: withPhase(state, { status: 'failed', round: closed.round, message }),
    effects: [
      endRound(closed, 'abandoned', closed.received.length, state.durable.adapterVersion, closed.cohort),
    ],
  };
}

function evaluated(state: EngineState, warning: string | null, { rules, nowMs }: StepContext): Transition {
  const { closed, then } = expectPhase(state, 'evaluating', 'report an evaluation');
  const next: NextRound = { round: closed.round + 1, attempt: 1, startedAtMs: null, kept: [] };
  let phase: Phase;
  if (closed.round >= rules.roundCount) phase = { status: 'completed' };
  else if (then === 'pause') phase = { status: 'paused', hold: { kind: 'between', next } };
  else phase = { status: 'recruiting', next, sinceMs: nowMs, notBeforeMs: nowMs };
  return { state: withDurable(state, { ...state.durable, phase, warning }), effects: [] };
}

/* ------------------------------------------------ the admin ------------------------------------------------ */

function pause(state: EngineState): Transition {
  const { phase } = state.durable;
  switch (phase.status) {
    case 'recruiting':
      return only(withPhase(state, { status: 'paused', hold: { kind: 'between', next: phase.next } }));
    case 'training':
      return only(withPhase(state, { status: 'paused', hold: { kind: 'open', open: phase.open } }));
    case 'aggregating':
    case 'evaluating':
      if (phase.then !== 'go-on') throw refused('pause', 'it pauses or stops already');
      return only(withPhase(state, { ...phase, then: 'pause' }));
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
    case 'paused':
      if (phase.hold.kind === 'open') {
        return only(withPhase(state, { status: 'training', open: phase.hold.open }));
      }
      return only(
        withPhase(state, {
          status: 'recruiting',
          next: phase.hold.next,
          sinceMs: nowMs,
          notBeforeMs: nowMs,
        }),
      );
    case 'aggregating':
    case 'evaluating':
      if (phase.then !== 'pause') throw refused('resume', 'it is not paused');
      return only(withPhase(state, { ...phase, then: 'go-on' }));
    case 'recruiting':
    case 'training':
      throw refused('resume', 'it is not paused');
    case 'completed':
    case 'stopped':
    case 'failed':
      throw ended(phase);
  }
}

function stop(state: EngineState): Transition {
  const { phase, adapterVersion } = state.durable;
  switch (phase.status) {
    case 'recruiting':
      return only(withPhase(state, { status: 'stopped', round: phase.next.round }));
    case 'training':
    case 'paused': {
      if (phase.status === 'paused' && phase.hold.kind === 'between') {
        return only(withPhase(state, { status: 'stopped', round: phase.hold.next.round }));
      }
      const open = openRound(phase)!;
      return {
        state: forgetOffline(withPhase(state, { status: 'stopped', round: open.round })),
        effects: [
          endRound(open, 'abandoned', receivedMembers(open).length, adapterVersion, undelivered(open)),
        ],
      };
    }
    case 'aggregating':
      // Everything for the next adapter is there; it is finished first.
      if (phase.then === 'stop') throw refused('stop', 'it stops already');
      return only(withPhase(state, { ...phase, then: 'stop' }));
    case 'evaluating':
      return only(withPhase(state, { status: 'stopped', round: phase.closed.round }));
    case 'completed':
    case 'stopped':
    case 'failed':
      throw ended(phase);
  }
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
