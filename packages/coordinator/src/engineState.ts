import { ChoraleError } from '@chorale/protocol';
import type { RoundRules } from './roundRules.ts';

/** One contributor chosen for the open round. `left`: withdrew without delivering. */
export type Member = { contributorId: string; state: 'training' | 'received' | 'left' };

/** A round that accepts updates. Times are milliseconds of the injected clock. */
export type OpenRound = {
  round: number;
  attempt: number;
  /** When the first attempt started. */
  startedAtMs: number;
  /** When this attempt ends at the latest. */
  deadlineMs: number;
  members: readonly Member[];
};

/** A round that has not started, or starts again after an abandoned attempt. */
export type NextRound = {
  round: number;
  attempt: number;
  /** When the first attempt started; null before it. */
  startedAtMs: number | null;
  /** Contributors whose update of this round is stored already: they are members of the next attempt as received. */
  kept: readonly string[];
};

/** A round that accepts nothing more; `received` are the contributors whose updates are aggregated. */
export type ClosedRound = {
  round: number;
  attempt: number;
  startedAtMs: number;
  cohort: readonly string[];
  received: readonly string[];
};

/** Where the run is. Each phase carries what is valid in it and nothing else. */
export type Phase =
  | { status: 'recruiting'; next: NextRound; sinceMs: number; notBeforeMs: number }
  | { status: 'training'; open: OpenRound }
  | { status: 'aggregating'; closed: ClosedRound; then: 'go-on' | 'pause' | 'stop' }
  | { status: 'evaluating'; closed: ClosedRound; then: 'go-on' | 'pause' }
  | { status: 'paused'; hold: { kind: 'open'; open: OpenRound } | { kind: 'between'; next: NextRound } }
  | { status: 'completed' }
  | { status: 'stopped'; round: number }
  | { status: 'failed'; round: number; message: string };

/**
 * Whether a contributor is there. Offline ones are remembered only while the open round waits for them. The open round
 * waits for one who paused or is offline until goneAtMs, then goes on without her.
 */
export type Presence =
  | { online: true; available: true }
  | { online: true; available: false; goneAtMs: number }
  | { online: false; goneAtMs: number };

/** What survives a restart. */
export type DurableState = {
  phase: Phase;
  /** 0 at the start, +1 with every aggregated round. */
  adapterVersion: number;
  /** What went wrong last without ending the run, for people. */
  warning: string | null;
};

/** All the engine knows. Immutable: every step returns a new one. */
export type EngineState = {
  /** Replaced only when it changes, so that `===` tells whether there is something to save. */
  durable: DurableState;
  presence: ReadonlyMap<string, Presence>;
};

/** The state of a run that has just been created. */
export function initialState(nowMs: number): EngineState {
  return {
    durable: {
      phase: {
        status: 'recruiting',
        next: { round: 1, attempt: 1, startedAtMs: null, kept: [] },
        sinceMs: nowMs,
        notBeforeMs: nowMs,
      },
      adapterVersion: 0,
      warning: null,
    },
    presence: new Map(),
  };
}

const STATE_VERSION = 1;

/** The durable part as JSON. */
export function serializeState(state: EngineState): string {
  return JSON.stringify({ version: STATE_VERSION, ...state.durable });
}

/**
 * Reads a state written by `serializeState`, for a server that has just started: nobody is connected, an open round
 * gets a fresh deadline, and its members `restartGraceMs` to come back.
 * @throws {ChoraleError} STORE_ERROR when another version wrote it
 */
export function restoreState(json: string, rules: RoundRules, nowMs: number): EngineState {
  const stored = JSON.parse(json) as { version: number } & DurableState;
  if (stored.version !== STATE_VERSION) {
    throw new ChoraleError(
      'STORE_ERROR',
      `expected engine state of version ${STATE_VERSION}, got ${stored.version}; run the release that wrote it`,
    );
  }
  const phase = refresh(stored.phase, rules, nowMs);
  const presence = new Map<string, Presence>();
  for (const member of openRound(phase)?.members ?? []) {
    if (member.state === 'training') {
      presence.set(member.contributorId, { online: false, goneAtMs: nowMs + rules.restartGraceMs });
    }
  }
  return {
    durable: { phase, adapterVersion: stored.adapterVersion, warning: stored.warning },
    presence,
  };
}

function refresh(phase: Phase, rules: RoundRules, nowMs: number): Phase {
  switch (phase.status) {
    case 'recruiting':
      return { ...phase, sinceMs: nowMs, notBeforeMs: nowMs };
    case 'training':
      return { ...phase, open: { ...phase.open, deadlineMs: nowMs + rules.deadlineMs } };
    case 'paused':
      if (phase.hold.kind === 'between') return phase;
      return {
        ...phase,
        hold: { kind: 'open', open: { ...phase.hold.open, deadlineMs: nowMs + rules.deadlineMs } },
      };
    case 'aggregating':
    case 'evaluating':
    case 'completed':
    case 'stopped':
    case 'failed':
      return phase;
  }
}

/** The round that accepts updates now, if one does (also while paused). */
export function openRound(phase: Phase): OpenRound | undefined {
  if (phase.status === 'training') return phase.open;
  if (phase.status === 'paused' && phase.hold.kind === 'open') return phase.hold.open;
  return undefined;
}

/** Contributors of the round whose update is stored. */
export function receivedMembers(open: OpenRound): string[] {
  return open.members.filter((member) => member.state === 'received').map((member) => member.contributorId);
}

/** True when the phase never changes again. */
export function hasEnded(phase: Phase): boolean {
  return phase.status === 'completed' || phase.status === 'stopped' || phase.status === 'failed';
}
