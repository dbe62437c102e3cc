import type { EngineState, OpenRound, Phase } from './engineState.ts';

/**
 * The clock shows less than at the last step that changed something: every time the state holds moves back with it, so
 * that as much of each limit is left as was left then. Without it a round whose clock was set back by an hour would wait
 * an hour longer than its deadline says.
 */
export function moveClockBack(state: EngineState, nowMs: number): EngineState {
  const backMs = state.steppedAtMs - nowMs;
  let { graces } = state;
  for (const [contributorId, endsMs] of state.graces) graces = graces.set(contributorId, endsMs - backMs);
  return {
    ...state,
    durable: { ...state.durable, phase: movedBack(state.durable.phase, backMs) },
    graces,
    nextGraceMs: state.nextGraceMs - backMs,
    enoughSinceMs: state.enoughSinceMs === null ? null : state.enoughSinceMs - backMs,
    steppedAtMs: nowMs,
  };
}

function movedBack(phase: Phase, backMs: number): Phase {
  switch (phase.status) {
    case 'recruiting':
      return {
        ...phase,
        next: nextMovedBack(phase.next, backMs),
        sinceMs: phase.sinceMs - backMs,
        notBeforeMs: phase.notBeforeMs - backMs,
      };
    case 'training':
      return { ...phase, open: openMovedBack(phase.open, backMs) };
    case 'paused':
      return phase.hold.kind === 'open'
        ? { ...phase, hold: { kind: 'open', open: openMovedBack(phase.hold.open, backMs) } }
        : { ...phase, hold: { kind: 'between', next: nextMovedBack(phase.hold.next, backMs) } };
    case 'aggregating':
    case 'evaluating': {
      const { closed, sinceMs } = phase;
      return {
        ...phase,
        closed: { ...closed, startedAtMs: closed.startedAtMs - backMs },
        sinceMs: sinceMs - backMs,
      };
    }
    case 'completed':
    case 'stopped':
    case 'failed':
      return phase;
  }
}

function openMovedBack(open: OpenRound, backMs: number): OpenRound {
  return { ...open, startedAtMs: open.startedAtMs - backMs, deadlineMs: open.deadlineMs - backMs };
}

function nextMovedBack<Next extends { startedAtMs: number | null }>(next: Next, backMs: number): Next {
  return { ...next, startedAtMs: next.startedAtMs === null ? null : next.startedAtMs - backMs };
}
