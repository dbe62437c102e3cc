import { ChoraleError } from '@chorale/protocol';
import type { ClosedRound, DurableState, EngineState, NextRound, Phase } from './engineState.ts';
import { openRound, roundOf, stateOf } from './engineState.ts';
import type { RoundRules } from './roundRules.ts';
import { withGraces } from './stateEdits.ts';

const STATE_VERSION = 2;

/** The durable part as JSON. Sets of contributors become arrays. */
export function serializeState({ durable }: EngineState): string {
  return JSON.stringify({ version: STATE_VERSION, ...durable }, (_, value: unknown) =>
    value instanceof Set ? [...value] : value,
  );
}

/**
 * Reads a state written by `serializeState`, for a server that has just started: nobody is connected, every limit
 * begins anew (an open round gets a fresh deadline), and members of an open round get `restartGraceMs` to come back.
 * @param receivedOf contributors whose update of a round is stored (`Store.receivedContributors`)
 * @throws {ChoraleError} STORE_DAMAGED when it is no state, or a newer release wrote it
 */
export function restoreState(
  json: string,
  rules: RoundRules,
  nowMs: number,
  receivedOf: (round: number) => readonly string[],
): EngineState {
  const stored = parse(json, { rules, nowMs });
  const { phase } = stored;
  // An ended run has no round under way; what its last round received is counted in its record.
  const isUnderWay = phase.status !== 'completed' && phase.status !== 'stopped' && phase.status !== 'failed';
  const received = isUnderWay ? receivedOf(roundOf(phase, rules.roundCount)) : [];
  const state = stateOf(stored, received, nowMs);
  const open = openRound(phase);
  if (!open) return state;
  const awaited = [...open.cohort].filter((contributorId) => !state.received.has(contributorId));
  return withGraces(state, awaited, nowMs + rules.restartGraceMs);
}

function parse(json: string, start: Start): DurableState {
  try {
    return readState(json, start);
  } catch (error) {
    if (error instanceof ChoraleError) throw error;
    const what = error instanceof Error ? error.message : String(error);
    throw new ChoraleError(
      'STORE_DAMAGED',
      `expected an engine state, got something else (${what}); restore a backup`,
      { cause: error },
    );
  }
}

/* ------------------------------------------------ reading ------------------------------------------------ */

type Json = { readonly [key: string]: unknown };

/** From where every limit is counted anew; the times of the limits themselves are not read. */
type Start = { rules: RoundRules; nowMs: number };

/**
 * Takes what it knows out of the JSON and nothing else. Version 1 held who had been received as well (in `members` and
 * `kept`), which the store's updates say.
 */
function readState(json: string, start: Start): DurableState {
  const { version, ...stored } = objectOf(JSON.parse(json));
  if (version !== STATE_VERSION && version !== 1) {
    throw new ChoraleError(
      'STORE_DAMAGED',
      `expected engine state of version 1 or ${STATE_VERSION}, got ${JSON.stringify(version)}; run the release that wrote it`,
    );
  }
  return {
    phase: readPhase(objectOf(stored.phase), start),
    adapterVersion: numberOf(stored.adapterVersion),
    warning: stored.warning === null ? null : textOf(stored.warning),
  };
}

function readPhase(phase: Json, { rules, nowMs }: Start): Phase {
  const { status } = phase;
  const deadlineMs = nowMs + rules.deadlineMs;
  switch (status) {
    case 'recruiting':
      return { status, next: readNext(phase.next), sinceMs: nowMs, notBeforeMs: nowMs };
    case 'training':
      return { status, open: { ...readRound(phase.open), deadlineMs } };
    case 'aggregating':
      return { status, closed: readRound(phase.closed), then: oneOf(phase.then, THEN), sinceMs: nowMs };
    case 'evaluating':
      return {
        status,
        closed: readRound(phase.closed),
        then: oneOf(phase.then, ['go-on', 'pause']),
        sinceMs: nowMs,
      };
    case 'paused': {
      const { kind, open, next } = objectOf(phase.hold);
      return oneOf(kind, ['open', 'between']) === 'open'
        ? { status, hold: { kind: 'open', open: { ...readRound(open), deadlineMs } } }
        : { status, hold: { kind: 'between', next: readNext(next) } };
    }
    case 'completed':
      return { status };
    case 'stopped':
      return { status, round: numberOf(phase.round) };
    case 'failed':
      return { status, round: numberOf(phase.round), message: textOf(phase.message) };
    default:
      throw new TypeError(`status: got ${JSON.stringify(status)}`);
  }
}

const THEN = ['go-on', 'pause', 'stop'] as const;

function readRound(value: unknown): ClosedRound {
  const { round, attempt, startedAtMs, cohort, members } = objectOf(value);
  const ids = cohort === undefined ? listOf(members).map(memberId) : listOf(cohort).map(textOf);
  return {
    round: numberOf(round),
    attempt: numberOf(attempt),
    startedAtMs: numberOf(startedAtMs),
    cohort: new Set(ids),
  };
}

function memberId(member: unknown): string {
  return textOf(objectOf(member).contributorId);
}

function readNext(value: unknown): NextRound {
  const { round, attempt, startedAtMs } = objectOf(value);
  return {
    round: numberOf(round),
    attempt: numberOf(attempt),
    startedAtMs: startedAtMs === null ? null : numberOf(startedAtMs),
  };
}

function objectOf(value: unknown): Json {
  if (typeof value === 'object' && value !== null) return value as Json;
  throw new TypeError('expected an object');
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError('expected a list');
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  throw new TypeError('expected a number');
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new TypeError('expected text');
}

function oneOf<Option extends string>(value: unknown, options: readonly Option[]): Option {
  const option = options.find((one) => one === value);
  if (option !== undefined) return option;
  throw new TypeError(`expected one of ${options.join(', ')}`);
}
