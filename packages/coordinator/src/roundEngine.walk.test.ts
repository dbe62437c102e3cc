import { describe, expect, it } from 'vitest';
import { ChoraleError, runStateSchema } from '@chorale/protocol';
import { checkUpdate } from './checkUpdate.ts';
import { openRound } from './engineState.ts';
import { EngineDriver, seededRandom } from './roundEngine.fixture.ts';
import type { RoundEffect, RoundEvent } from './roundEvents.ts';
import { cohortView, nextTimeoutMs } from './runView.ts';

const PEOPLE = ['a', 'b', 'c', 'd', 'e', 'f'];

/**
 * A random life of one run, with a model of what the server around the engine does: updates are checked and stored,
 * effects are carried out (or lost in a crash), and the invariants are checked after every step.
 */
class Walk {
  readonly engine: EngineDriver;
  readonly #random;
  /** (round, contributor) → hash, as the store would hold it. */
  readonly stored = new Map<string, string>();
  /** Rounds that were closed, with the contributors whose updates were aggregated. */
  readonly closed = new Map<number, string[]>();
  crashes = 0;

  constructor(seed: number) {
    this.engine = new EngineDriver({ roundCount: 6, backoffMs: 500 }, seed);
    this.#random = seededRandom(seed * 7919 + 1);
  }

  step(): void {
    const { engine } = this;
    const random = this.#random;
    const person = PEOPLE[random(PEOPLE.length)]!;
    const choice = random(100);
    if (choice < 22) this.send({ type: 'join', contributorId: person });
    else if (choice < 32) this.send({ type: 'disconnect', contributorId: person });
    else if (choice < 35) this.send({ type: 'leave', contributorId: person });
    else if (choice < 40) {
      this.send({ type: 'availability', contributorId: person, available: random(3) > 0 });
    } else if (choice < 75) this.deliver(person, random(10) === 0 ? 'other' : 'own');
    else if (choice < 88) {
      engine.nowMs += random(15_000);
      this.send({ type: 'tick' });
    } else if (choice < 90) this.send({ type: 'pause' });
    else if (choice < 94) this.send({ type: 'resume' });
    else if (choice < 96) this.crash();
    else {
      const timeout = nextTimeoutMs(engine.state, engine.rules, engine.nowMs);
      if (timeout !== null) engine.nowMs = timeout;
      this.send({ type: 'tick' });
    }
    this.check();
  }

  send(event: RoundEvent): void {
    const before = this.engine.state;
    try {
      this.carryOut(this.engine.send(event));
    } catch (error) {
      expect(error).toBeInstanceOf(ChoraleError);
      expect(this.engine.state).toBe(before);
    }
  }

  /** An update of the round that is open now, or of one that is not. */
  deliver(contributorId: string, bytes: string): void {
    const { engine } = this;
    const round = (openRound(engine.state.durable.phase)?.round ?? 1) + (this.#random(8) === 0 ? 1 : 0);
    const key = `${round}/${contributorId}`;
    const sha256 = `${key}/${bytes}`;
    try {
      const decision = checkUpdate(engine.state, { round, contributorId, sha256 }, this.stored.get(key));
      if (decision === 'duplicate') return;
      // The engine's part of the transaction must never fail after the check let the update pass.
      const effects = engine.send({ type: 'update-stored', contributorId });
      this.stored.set(key, sha256);
      this.carryOut(effects);
    } catch (error) {
      expect(error).toBeInstanceOf(ChoraleError);
      expect((error as ChoraleError).code).toMatch(/^(UPDATE_|RUN_ENDED)/);
    }
  }

  /** The process dies, perhaps between storing a state and carrying its effects out, and comes back. */
  crash(): void {
    this.crashes++;
    this.carryOut(this.engine.restart());
  }

  carryOut(effects: readonly RoundEffect[]): void {
    for (const effect of effects) {
      if (effect.type !== 'aggregate' && effect.type !== 'evaluate') continue;
      if (this.#random(10) === 0) {
        this.crash();
        return;
      }
      if (effect.type === 'aggregate') this.aggregate();
      else this.send({ type: 'evaluated', warning: this.#random(5) === 0 ? 'failed' : null });
    }
  }

  aggregate(): void {
    const { phase, adapterVersion } = this.engine.state.durable;
    if (phase.status !== 'aggregating') return;
    const { round, received } = phase.closed;
    expect(this.closed.has(round), `round ${round} closes once`).toBe(false);
    this.closed.set(round, [...received]);
    const effects = this.engine.send({ type: 'aggregated' });
    expect(this.engine.state.durable.adapterVersion).toBe(adapterVersion + 1);
    this.carryOut(effects);
  }

  check(): void {
    const { state, rules, nowMs, view } = this.engine;
    const { phase, adapterVersion } = state.durable;
    expect(() => runStateSchema.parse({ runId: 'walk', ...view })).not.toThrow();
    expect(view.received).toBeLessThanOrEqual(view.cohort);
    expect(view.cohort).toBeLessThanOrEqual(rules.cohortSize);
    expect(adapterVersion).toBe(this.closed.size);
    const members = cohortView(state, nowMs);
    expect(new Set(members.map((member) => member.contributorId)).size).toBe(members.length);
    // What the engine counts as received is what the store holds of the round under way.
    if (phase.status !== 'completed' && phase.status !== 'evaluating') {
      const ofRound = [...this.stored.keys()].filter((key) => key.startsWith(`${view.round}/`)).length;
      expect(view.received).toBe(ofRound);
    }
    for (const [round, received] of this.closed) {
      expect(received.length).toBeGreaterThanOrEqual(rules.minimumUpdates);
      const ofRound = [...this.stored.keys()].filter((key) => key.startsWith(`${round}/`));
      expect(received.map((contributorId) => `${round}/${contributorId}`).toSorted()).toEqual(
        ofRound.toSorted(),
      );
    }
    // Nobody is stuck: an open round has a time limit, and everybody it waits for is online or has a grace.
    const open = openRound(phase);
    if (open) {
      expect(open.deadlineMs).toBeGreaterThan(nowMs);
      expect(nextTimeoutMs(state, rules, nowMs)).not.toBeNull();
      for (const member of open.members) {
        if (member.state === 'training') expect(state.presence.has(member.contributorId)).toBe(true);
      }
    } else {
      expect([...state.presence.values()].every((presence) => presence.online)).toBe(true);
    }
  }
}

describe('seeded random walks', () => {
  const seeds = Array.from({ length: 40 }, (_, k) => k + 1);
  const walked: Walk[] = [];

  it.each(seeds)('keeps its invariants with seed %i', (seed) => {
    const walk = new Walk(seed);
    for (let k = 0; k < 600 && walk.engine.status !== 'completed'; k++) walk.step();
    // The walk must have got somewhere, or it proves nothing.
    expect(walk.closed.size).toBeGreaterThan(0);
    walked.push(walk);
  });

  it('went through whole runs and through crashes', () => {
    expect(walked).toHaveLength(seeds.length);
    expect(walked.filter((walk) => walk.engine.status === 'completed').length).toBeGreaterThan(20);
    expect(walked.reduce((sum, walk) => sum + walk.crashes, 0)).toBeGreaterThan(100);
  });
});
