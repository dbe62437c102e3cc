import { describe, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { checkUpdate } from './checkUpdate.ts';
import { EngineDriver, RULES } from './roundEngine.fixture.ts';
import { graceEndMs } from './roundRules.ts';
import { cohortView, nextTimeoutMs } from './runView.ts';

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof ChoraleError) return error.code;
    throw error;
  }
  return 'no error';
};

function evaluating(rules = {}): EngineDriver {
  const run = new EngineDriver(rules);
  run.join('a', 'b', 'c');
  run.deliver('a', 'b', 'c');
  run.send({ type: 'aggregated' });
  return run;
}

describe('over-selection', () => {
  const OVER = { askedSize: 5 };

  it('asks more than it needs when they are there, and closes with the first cohortSize updates', () => {
    const run = new EngineDriver(OVER);
    run.join('a', 'b', 'c', 'd');
    expect(run.view.reason).toBe('starting with 4 contributors; waiting a moment for 1 more');
    const [start] = run.join('e');
    expect(start).toMatchObject({ type: 'start-round', contributorIds: { length: 5 } });
    run.deliver('a', 'd');
    expect(run.view.reason).toBe('waiting for updates: 2 of 3 (5 asked)');
    expect(run.deliver('e')).toEqual([{ type: 'aggregate' }]);
    expect(run.view).toMatchObject({ status: 'aggregating', received: 3, cohort: 5 });
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'b', state: 'dropped' });
    // Who was not needed hears so, and what she sends later is late.
    const [end] = run.send({ type: 'aggregated' });
    expect(end).toMatchObject({ type: 'end-round', outcome: 'aggregated', received: 3 });
    expect(end).toMatchObject({ contributorIds: expect.arrayContaining(['b', 'c']) });
    const late = { round: 1, contributorId: 'b', sha256: 'x' };
    expect(codeOf(() => checkUpdate(run.state, late, undefined))).toBe('UPDATE_WRONG_ROUND');
  });

  it('starts with cohortSize after a short wait, counted from when they are there', () => {
    const run = new EngineDriver(OVER);
    run.join('a', 'b');
    run.wait(30_000);
    run.join('c');
    expect(nextTimeoutMs(run.state, run.rules, run.nowMs)).toBe(run.nowMs + RULES.extraWaitMs);
    run.wait(RULES.extraWaitMs - 1);
    expect(run.status).toBe('recruiting');
    run.wait(1);
    expect(run.view).toMatchObject({ status: 'training', cohort: 3 });
  });

  it('counts the wait anew when one of them goes', () => {
    const run = new EngineDriver(OVER);
    run.join('a', 'b', 'c');
    run.wait(4_000);
    run.send({ type: 'disconnect', contributorId: 'c' });
    run.wait(4_000);
    expect(run.status).toBe('recruiting');
    run.join('c');
    run.wait(4_000);
    expect(run.status).toBe('recruiting');
    run.wait(1_000);
    expect(run.status).toBe('training');
  });

  it('keeps to askedSize when an attempt left updates', () => {
    const run = new EngineDriver(OVER);
    run.join('a', 'b', 'c', 'd', 'e', 'f');
    const member = cohortView(run.state, run.nowMs)[0]!.contributorId;
    run.deliver(member);
    run.wait(60_000);
    run.wait(1_000);
    expect(run.view).toMatchObject({ status: 'training', received: 1, cohort: 5 });
    expect(run.state.counts.training).toBe(4);
  });

  it('closes a round of fewer than cohortSize when all of them have delivered', () => {
    const run = new EngineDriver(OVER);
    run.join('a', 'b');
    run.wait(60_000);
    run.deliver('a');
    expect(run.status).toBe('training');
    run.deliver('b');
    expect(run.status).toBe('aggregating');
  });
});

describe('the time limit of an evaluation', () => {
  it('goes on with a warning', () => {
    const run = evaluating();
    expect(nextTimeoutMs(run.state, run.rules, run.nowMs)).toBe(run.nowMs + 600_000);
    run.wait(599_999);
    expect(run.status).toBe('evaluating');
    expect(run.wait(1)).toMatchObject([{ type: 'start-round', round: 2 }]);
    expect(run.lastTransitions).toEqual(['evaluation-given-up', 'round-finished', 'round-started']);
    expect(run.view.reason).toBe(
      'waiting for updates: 0 of 3; the evaluation of round 1 took over 600 s; the run went on without it',
    );
    // The late report changes nothing here; the server writes it into the record.
    expect(codeOf(() => run.send({ type: 'evaluated', warning: null }))).toBe('RUN_STATE');
  });

  it('ends the last round, and pauses when that was asked for', () => {
    const last = evaluating({ roundCount: 1 });
    last.wait(600_000);
    expect(last.status).toBe('completed');
    expect(last.lastTransitions).toEqual(['evaluation-given-up', 'run-completed']);
    const pausing = evaluating();
    pausing.send({ type: 'pause' });
    pausing.wait(600_000);
    expect(pausing.status).toBe('paused');
    expect(pausing.lastTransitions).toEqual(['evaluation-given-up', 'round-finished', 'run-paused']);
  });
});

describe('an aggregation that does not end', () => {
  it('lets the admin stop without it, not before she has been patient', () => {
    const run = new EngineDriver();
    run.join('a', 'b', 'c');
    run.deliver('a', 'b', 'c');
    run.send({ type: 'stop' });
    run.wait(59_999);
    expect(codeOf(() => run.send({ type: 'stop' }))).toBe('RUN_STATE');
    run.wait(1);
    expect(run.status).toBe('aggregating');
    expect(run.send({ type: 'stop' })).toMatchObject([
      { type: 'end-round', outcome: 'abandoned', received: 3, adapterVersion: 0 },
    ]);
    expect(run.view).toMatchObject({ status: 'stopped', adapterVersion: 0 });
    expect(codeOf(() => run.send({ type: 'aggregated' }))).toBe('RUN_STATE');
  });
});

describe('a clock that jumps', () => {
  it('backwards: as much of every limit is left as before', () => {
    const run = new EngineDriver();
    run.join('a', 'b', 'c');
    run.deliver('a');
    run.wait(20_000);
    run.send({ type: 'disconnect', contributorId: 'b' });
    run.nowMs -= 3_600_000;
    run.send({ type: 'tick' });
    expect(run.view).toMatchObject({ status: 'training', timeLeftMs: 40_000 });
    expect(nextTimeoutMs(run.state, run.rules, run.nowMs)).toBe(run.nowMs + 10_000);
    run.wait(10_000);
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'b', state: 'dropped' });
    run.deliver('c');
    expect(run.view).toMatchObject({ status: 'aggregating', received: 2 });
    expect(run.state.durable.phase).toMatchObject({ closed: { startedAtMs: run.nowMs - 30_000 } });
  });

  it('backwards while recruiting, in a backoff, evaluating and aggregating', () => {
    const recruiting = new EngineDriver();
    recruiting.join('a', 'b');
    recruiting.wait(-3_600_000);
    recruiting.wait(60_000);
    expect(recruiting.status).toBe('training');
    recruiting.wait(60_000);
    expect(recruiting.status).toBe('recruiting');
    recruiting.wait(-3_600_000);
    recruiting.wait(60_000);
    expect(recruiting.view.status).toBe('training');
    const measuring = evaluating();
    measuring.wait(-3_600_000);
    measuring.wait(600_000);
    expect(measuring.lastTransitions).toContain('evaluation-given-up');
    const stuck = new EngineDriver();
    stuck.join('a', 'b', 'c');
    stuck.deliver('a', 'b', 'c');
    stuck.wait(-3_600_000);
    stuck.send({ type: 'stop' });
    stuck.wait(60_000);
    stuck.send({ type: 'stop' });
    expect(stuck.status).toBe('stopped');
  });

  it('forwards by a day: does what the deadline would', () => {
    const few = new EngineDriver();
    few.join('a', 'b', 'c');
    few.deliver('a');
    few.wait(86_400_000);
    expect(few.view).toMatchObject({ status: 'recruiting', received: 1 });
    few.wait(1_000);
    expect(few.view).toMatchObject({ status: 'training', received: 1, cohort: 3 });
    const enough = new EngineDriver();
    enough.join('a', 'b', 'c');
    enough.deliver('a', 'b');
    enough.wait(86_400_000);
    expect(enough.view).toMatchObject({ status: 'aggregating', received: 2 });
  });
});

describe('graces', () => {
  it('end on a grid: thousands who were cut off within a second end in a few steps', () => {
    const ends = new Set(Array.from({ length: 1000 }, (_, k) => graceEndMs(5_000_000 + k, 10_000)));
    expect(ends.size).toBe(5);
    for (const nowMs of [0, 1, 249, 250, 5_000_123]) {
      const waitMs = graceEndMs(nowMs, 10_000) - nowMs;
      expect(waitMs).toBeGreaterThanOrEqual(10_000);
      expect(waitMs).toBeLessThan(10_250);
    }
    expect(graceEndMs(7, 20)).toBe(27);
  });

  it('are not made longer by coming and going without being available', () => {
    const run = new EngineDriver();
    run.join('a', 'b', 'c');
    run.deliver('a', 'b');
    for (let k = 0; k < 9; k++) {
      run.send({ type: 'disconnect', contributorId: 'c' });
      run.send({ type: 'join', contributorId: 'c', available: false });
      run.wait(1_000);
    }
    expect(run.status).toBe('training');
    run.wait(1_000);
    expect(run.status).toBe('aggregating');
  });
});
