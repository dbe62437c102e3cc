import { describe, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { checkUpdate } from './checkUpdate.ts';
import {
  checkRestores,
  checkSame,
  checkState,
  checkThat,
  checkTransitions,
} from './engineInvariants.fixture.ts';
import { hasEnded, openRound, receivedContributors } from './engineState.ts';
import { EngineDriver, seededRandom } from './roundEngine.fixture.ts';
import type { RoundEffect, RoundEvent } from './roundEvents.ts';
import { nextTimeoutMs } from './runView.ts';
import { serializeState } from './storedState.ts';
import { TRANSITIONS } from './transitions.ts';

const PEOPLE = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const ROUNDS = 6;

/**
 * A random life of one run, with a model of what the server around the engine does: updates are checked and stored,
 * effects are carried out (or lost in a crash, or never answered), and the invariants are checked after every step.
 */
class Walk {
  readonly engine: EngineDriver;
  readonly #random;
  /** (round, contributor) → hash, as the store would hold it. */
  readonly stored = new Map<string, string>();
  /** Rounds that were closed, with the contributors whose updates were aggregated. */
  readonly closed = new Map<number, string[]>();
  crashes = 0;
  failedWrites = 0;
  #lastJson = '';

  constructor(seed: number) {
    const askedSize = 3 + (seed % 3);
    this.engine = new EngineDriver({ roundCount: ROUNDS, backoffMs: 500, askedSize }, seed);
    this.#random = seededRandom(seed * 7919 + 1);
  }

  step(): void {
    const { engine } = this;
    const random = this.#random;
    const person = PEOPLE[random(PEOPLE.length)]!;
    const choice = random(1000);
    if (choice < 220) this.send({ type: 'join', contributorId: person, available: random(8) > 0 });
    else if (choice < 310) this.send({ type: 'disconnect', contributorId: person });
    else if (choice < 340) this.send({ type: 'leave', contributorId: person });
    else if (choice < 390) {
      this.send({ type: 'availability', contributorId: person, available: random(3) > 0 });
    } else if (choice < 740) this.deliver(person, random(10) === 0 ? 'other' : 'own');
    else if (choice < 840) {
      engine.nowMs += random(15_000);
      this.send({ type: 'tick' });
    } else if (choice < 860) {
      // The clock jumps by up to a day, more often backwards.
      engine.nowMs += random(86_400_000) * (random(3) === 0 ? 1 : -1);
      this.send({ type: 'tick' });
    } else if (choice < 880) this.send({ type: 'pause' });
    else if (choice < 920) this.send({ type: 'resume' });
    else if (choice < 940) this.crash();
    else if (choice < 960) this.work();
    else if (choice < 961) this.send({ type: 'stop' });
    else {
      const timeout = nextTimeoutMs(engine.state, engine.rules, engine.nowMs);
      if (timeout !== null) engine.nowMs = timeout;
      this.send({ type: 'tick' });
    }
    this.check();
  }

  send(event: RoundEvent): void {
    const { engine } = this;
    const before = engine.state;
    if (this.#random(20) === 0) this.failToStore(event);
    try {
      const effects = engine.send(event);
      this.checkStep(before);
      this.carryOut(effects);
    } catch (error) {
      if (!(error instanceof ChoraleError)) throw error;
      checkThat(engine.state === before, 'a refused event leaves the state');
    }
  }

  /** A step whose change could not be stored: the old state must be what it was. */
  failToStore(event: RoundEvent): void {
    const { engine } = this;
    const { state } = engine;
    const seen = () => JSON.stringify([engine.view, serializeState(state), receivedContributors(state)]);
    const before = seen();
    try {
      engine.send(event);
    } catch (error) {
      if (!(error instanceof ChoraleError)) throw error;
    }
    engine.state = state;
    this.failedWrites++;
    checkThat(seen() === before, 'the old state is what it was');
    checkState(state, engine.rules, state.steppedAtMs);
  }

  checkStep(before: typeof this.engine.state): void {
    const { state, lastTransitions } = this.engine;
    checkTransitions(before, state, lastTransitions);
    if (state.durable === before.durable) {
      checkThat(serializeState(state) === serializeState(before), 'the same durable part says the same');
    }
  }

  /** An update of the round that is open now, or of one that is not. */
  deliver(contributorId: string, bytes: string): void {
    const { engine } = this;
    const before = engine.state;
    const round = (openRound(engine.state.durable.phase)?.round ?? 1) + (this.#random(8) === 0 ? 1 : 0);
    const key = `${round}/${contributorId}`;
    const sha256 = `${key}/${bytes}`;
    let decision: string;
    try {
      decision = checkUpdate(engine.state, { round, contributorId, sha256 }, this.stored.get(key));
    } catch (error) {
      if (!(error instanceof ChoraleError)) throw error;
      checkThat(/^(UPDATE_|RUN_ENDED)/.test(error.code), `a refusal of an update, got ${error.code}`);
      return;
    }
    if (decision === 'duplicate') return;
    if (this.#random(20) === 0) this.failToStore({ type: 'update-stored', contributorId });
    // The engine's part of the transaction must never fail after the check let the update pass.
    const effects = engine.send({ type: 'update-stored', contributorId });
    this.checkStep(before);
    const { durable } = engine.state;
    checkThat(
      engine.lastTransitions.length > 0 || durable === before.durable || engine.nowMs < before.steppedAtMs,
      'an update that closes nothing saves nothing but itself',
    );
    this.stored.set(key, sha256);
    this.carryOut(effects);
  }

  /** The process dies, perhaps between storing a state and carrying its effects out, and comes back. */
  crash(): void {
    this.crashes++;
    const { phase } = this.engine.state.durable;
    const ofRound = hasEnded(phase) ? [] : this.storedOf(this.engine.view.round);
    this.carryOut(this.engine.restart(ofRound));
  }

  storedOf(round: number): string[] {
    const prefix = `${round}/`;
    const keys = [...this.stored.keys()].filter((key) => key.startsWith(prefix));
    return keys.map((key) => key.slice(prefix.length)).toSorted();
  }

  carryOut(effects: readonly RoundEffect[]): void {
    for (const effect of effects) {
      if (effect.type !== 'aggregate' && effect.type !== 'evaluate') continue;
      const choice = this.#random(10);
      if (choice === 0) return this.crash();
      // It takes long, perhaps for ever: something else happens before.
      if (choice > 1) this.work();
    }
  }

  /** What the server owes is done now. */
  work(): void {
    const { status } = this.engine;
    if (status === 'aggregating') this.aggregate();
    else if (status === 'evaluating') {
      this.send({ type: 'evaluated', warning: this.#random(5) === 0 ? 'failed' : null });
    }
  }

  aggregate(): void {
    const { phase, adapterVersion } = this.engine.state.durable;
    if (phase.status !== 'aggregating') return;
    const before = this.engine.state;
    if (this.#random(500) === 0) return this.send({ type: 'aggregation-failed', message: 'not finite' });
    const { round } = phase.closed;
    checkThat(!this.closed.has(round), `round ${round} closes once`);
    this.closed.set(round, receivedContributors(this.engine.state));
    const effects = this.engine.send({ type: 'aggregated' });
    this.checkStep(before);
    checkThat(this.engine.state.durable.adapterVersion === adapterVersion + 1, 'one version more');
    this.carryOut(effects);
  }

  check(): void {
    const { state, rules, nowMs, view } = this.engine;
    checkState(state, rules, nowMs);
    if (this.#random(10) === 0) checkRestores(state, rules, nowMs);
    checkThat(state.durable.adapterVersion === this.closed.size, 'a version for each closed round');
    // What the engine counts as received is what the store holds of the round under way.
    if (!hasEnded(state.durable.phase)) {
      checkSame(receivedContributors(state), this.storedOf(view.round), 'stored for the round under way');
    }
    for (const [round, received] of this.closed) {
      checkThat(received.length >= rules.minimumUpdates, 'at least minimumUpdates');
      checkSame(received, this.storedOf(round), `stored for round ${round}`);
    }
    // An ended run never changes again.
    const json = serializeState(state);
    if (hasEnded(state.durable.phase) && this.#lastJson !== '') {
      checkThat(json === this.#lastJson, 'an ended run stays as it is');
    }
    this.#lastJson = hasEnded(state.durable.phase) ? json : '';
  }
}

describe('seeded random walks', () => {
  const seeds = Array.from({ length: 200 }, (_, k) => k + 1);
  const walked: Walk[] = [];

  it.each(seeds)('keeps its invariants with seed %i', (seed) => {
    checkWalk(seed);
  });

  function checkWalk(seed: number): void {
    const walk = new Walk(seed);
    for (let k = 0, after = 0; k < 600 && after < 20; k++) {
      walk.step();
      if (hasEnded(walk.engine.state.durable.phase)) after++;
    }
    walked.push(walk);
  }

  it('went through whole runs, crashes, writes that failed and every transition', () => {
    expect(walked).toHaveLength(seeds.length);
    const sum = (of: (walk: Walk) => number) => walked.reduce((total, walk) => total + of(walk), 0);
    expect(sum((walk) => (walk.engine.status === 'completed' ? 1 : 0))).toBeGreaterThan(20);
    expect(sum((walk) => walk.closed.size)).toBeGreaterThan(200);
    expect(sum((walk) => walk.crashes)).toBeGreaterThan(300);
    expect(sum((walk) => walk.failedWrites)).toBeGreaterThan(1000);
    const reached = new Set(walked.flatMap((walk) => walk.engine.transitions));
    expect([...reached].toSorted()).toEqual(TRANSITIONS.map(({ name }) => name).toSorted());
  });
});
