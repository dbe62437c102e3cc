import { VersionedMap } from './versionedMap.ts';

/** A round that accepts updates. Times are milliseconds of the injected clock. */
export type OpenRound = {
  round: number;
  attempt: number;
  /** When the first attempt started. */
  startedAtMs: number;
  /** When this attempt ends at the latest. */
  deadlineMs: number;
  /** Everybody who was asked, and those whose update an earlier attempt left. */
  cohort: ReadonlySet<string>;
};

/** A round that has not started, or starts again after an abandoned attempt. */
export type NextRound = {
  round: number;
  attempt: number;
  /** When the first attempt started; null before it. */
  startedAtMs: number | null;
};

/** A round that accepts nothing more. */
export type ClosedRound = {
  round: number;
  attempt: number;
  startedAtMs: number;
  cohort: ReadonlySet<string>;
};

/** Where the run is. Each phase carries what is valid in it and nothing else. `sinceMs`: when it began. */
export type Phase =
  | { status: 'recruiting'; next: NextRound; sinceMs: number; notBeforeMs: number }
  | { status: 'training'; open: OpenRound }
  | { status: 'aggregating'; closed: ClosedRound; then: 'go-on' | 'pause' | 'stop'; sinceMs: number }
  | { status: 'evaluating'; closed: ClosedRound; then: 'go-on' | 'pause'; sinceMs: number }
  | { status: 'paused'; hold: { kind: 'open'; open: OpenRound } | { kind: 'between'; next: NextRound } }
  | { status: 'completed' }
  | { status: 'stopped'; round: number }
  | { status: 'failed'; round: number; message: string };

/** What must be stored; whose updates are there, the store's updates themselves say. */
export type DurableState = {
  phase: Phase;
  /** 0 at the start, +1 with every aggregated round. */
  adapterVersion: number;
  /** What went wrong last without ending the run, for people. */
  warning: string | null;
};

/** How many contributors are in which case, so that no event has to count them. */
export type Counts = {
  /** Online and available. */
  available: number;
  /** Of those, whose update the round under way does not have: who can be chosen for its next attempt. */
  choosable: number;
  /** Of those, members of the open round: it waits for them until its deadline. */
  training: number;
};

/** All the engine knows. Immutable: a step returns a new state, and the old one stays as it was. */
export type EngineState = {
  /** Replaced only when it changes, so that `===` tells whether there is something to save. */
  durable: DurableState;
  /** Everybody who is online, and whether she is available. */
  presence: VersionedMap<boolean>;
  /** Contributors whose update of the round under way (next, open or closed) is stored. */
  received: VersionedMap<true>;
  /** Members the open round waits for although they are offline or paused: until when. */
  graces: VersionedMap<number>;
  /** No grace ends before; Infinity when there is none. */
  nextGraceMs: number;
  /** Recruiting: since when as many as a round needs at least for a full cohort are there; null when they are not. */
  enoughSinceMs: number | null;
  counts: Counts;
  /** `nowMs` of the last step that changed anything. */
  steppedAtMs: number;
};

/** The state of a run that has just been created. */
export function initialState(nowMs: number): EngineState {
  return stateOf(
    {
      phase: {
        status: 'recruiting',
        next: { round: 1, attempt: 1, startedAtMs: null },
        sinceMs: nowMs,
        notBeforeMs: nowMs,
      },
      adapterVersion: 0,
      warning: null,
    },
    [],
    nowMs,
  );
}

/** A state in which nobody is connected. */
export function stateOf(durable: DurableState, received: readonly string[], nowMs: number): EngineState {
  return {
    durable,
    presence: VersionedMap.of<boolean>(),
    received: VersionedMap.of(received.map((contributorId) => [contributorId, true] as const)),
    graces: VersionedMap.of<number>(),
    nextGraceMs: Infinity,
    enoughSinceMs: null,
    counts: { available: 0, choosable: 0, training: 0 },
    steppedAtMs: nowMs,
  };
}

/** The round that accepts updates now, if one does (also while paused). */
export function openRound(phase: Phase): OpenRound | undefined {
  if (phase.status === 'training') return phase.open;
  if (phase.status === 'paused' && phase.hold.kind === 'open') return phase.hold.open;
  return undefined;
}

/** Contributors whose update of the round under way is stored, in the order of their ids. Not for every event. */
export function receivedContributors(state: EngineState): string[] {
  return state.received.sortedKeys();
}

export function isOnline(state: EngineState, contributorId: string): boolean {
  return state.presence.has(contributorId);
}

/** True when the phase never changes again. */
export function hasEnded(phase: Phase): boolean {
  return phase.status === 'completed' || phase.status === 'stopped' || phase.status === 'failed';
}

/** The round that the run is in, or was in when it ended. */
export function roundOf(phase: Phase, roundCount: number): number {
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
      return roundCount;
    case 'stopped':
    case 'failed':
      return phase.round;
  }
}
