import type { RandomInt } from './cohort.ts';
import type { EngineState } from './engineState.ts';
import { initialState, receivedContributors } from './engineState.ts';
import { owedEffects, step } from './roundEngine.ts';
import type { RoundEffect, RoundEvent } from './roundEvents.ts';
import type { RoundRules } from './roundRules.ts';
import { runView } from './runView.ts';
import { restoreState, serializeState } from './storedState.ts';
import type { TransitionName } from './transitions.ts';

/** Rules of most tests: 2 rounds, cohort of 3, minimum 2, one minute, 10 s grace. */
export const RULES: RoundRules = {
  roundCount: 2,
  cohortSize: 3,
  askedSize: 3,
  minimumUpdates: 2,
  deadlineMs: 60_000,
  extraWaitMs: 5_000,
  reconnectGraceMs: 10_000,
  restartGraceMs: 30_000,
  backoffMs: 1_000,
  backoffLimitMs: 8_000,
  evaluationLimitMs: 600_000,
  aggregationPatienceMs: 60_000,
};

/** Mulberry32: a small seeded generator, so that a failing walk can be repeated. */
export function seededRandom(seed: number): RandomInt {
  let a = seed;
  return (bound) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * bound);
  };
}

/** Drives one run by events, with a clock that only moves when told. */
export class EngineDriver {
  nowMs = 1_000_000;
  state: EngineState;
  readonly rules: RoundRules;
  readonly random: RandomInt;
  /** Effects of the last event. */
  effects: readonly RoundEffect[] = [];
  /** Of the last event, and of all. */
  lastTransitions: readonly TransitionName[] = [];
  readonly transitions: TransitionName[] = [];

  constructor(rules: Partial<RoundRules> = {}, seed = 1) {
    const { cohortSize = RULES.cohortSize } = rules;
    this.rules = { ...RULES, askedSize: cohortSize, ...rules };
    this.random = seededRandom(seed);
    this.state = initialState(this.nowMs);
  }

  send(event: RoundEvent): readonly RoundEffect[] {
    const next = step(this.state, event, { rules: this.rules, nowMs: this.nowMs, random: this.random });
    this.state = next.state;
    this.effects = next.effects;
    this.lastTransitions = next.transitions;
    this.transitions.push(...next.transitions);
    return next.effects;
  }

  join(...contributorIds: string[]): readonly RoundEffect[] {
    return contributorIds.flatMap((contributorId) => [...this.send({ type: 'join', contributorId })]);
  }

  deliver(...contributorIds: string[]): readonly RoundEffect[] {
    return contributorIds.flatMap((contributorId) => [
      ...this.send({ type: 'update-stored', contributorId }),
    ]);
  }

  /** Moves the clock and lets the engine act on it. */
  wait(ms: number): readonly RoundEffect[] {
    this.nowMs += ms;
    return this.send({ type: 'tick' });
  }

  /** What a new process does with the stored state, when the store holds what the engine counted. */
  restart(received: readonly string[] = receivedContributors(this.state)): readonly RoundEffect[] {
    this.state = restoreState(serializeState(this.state), this.rules, this.nowMs, () => received);
    this.effects = owedEffects(this.state);
    return this.effects;
  }

  get view() {
    return runView(this.state, this.rules, this.nowMs);
  }

  get status() {
    return this.state.durable.phase.status;
  }
}
