import { describe, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { EngineDriver, RULES } from './roundEngine.fixture.ts';
import { cohortView, nextTimeoutMs } from './runView.ts';
import { restoreState, serializeState } from './storedState.ts';

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof ChoraleError) return error.code;
    throw error;
  }
  return 'no error';
};

/** A run whose first round is open with a, b and c. */
function training(rules = {}): EngineDriver {
  const run = new EngineDriver(rules);
  run.join('a', 'b', 'c');
  return run;
}

describe('recruiting', () => {
  it('waits for a full cohort and says how many it waits for', () => {
    const run = new EngineDriver();
    run.join('a', 'b');
    expect(run.view).toMatchObject({
      status: 'recruiting',
      reason: 'waiting for contributors: 2 of 3',
      available: 2,
      round: 1,
      timeLeftMs: 60_000,
    });
    const effects = run.join('c');
    expect(run.status).toBe('training');
    expect(effects).toEqual([
      {
        type: 'start-round',
        round: 1,
        attempt: 1,
        adapterVersion: 0,
        deadlineMs: run.nowMs + 60_000,
        contributorIds: expect.toSatisfy((ids: string[]) => ids.toSorted().join() === 'a,b,c'),
      },
    ]);
  });

  it('does not count those who paused', () => {
    const run = new EngineDriver();
    run.join('a', 'b');
    run.send({ type: 'availability', contributorId: 'a', available: false });
    run.join('c');
    expect(run.view).toMatchObject({ status: 'recruiting', reason: 'waiting for contributors: 2 of 3' });
    run.send({ type: 'availability', contributorId: 'a', available: true });
    expect(run.status).toBe('training');
  });

  it('does not choose somebody who joins only to read', () => {
    const run = new EngineDriver();
    run.join('a', 'b');
    expect(run.send({ type: 'join', contributorId: 'c', available: false })).toEqual([]);
    expect(run.view).toMatchObject({ status: 'recruiting', available: 2 });
    run.join('d');
    expect(run.view).toMatchObject({ status: 'training', cohort: 3 });
    expect(cohortView(run.state, run.nowMs).map(({ contributorId }) => contributorId)).not.toContain('c');
  });

  it('starts with minimumUpdates after deadlineSeconds, not before', () => {
    const run = new EngineDriver();
    run.join('a', 'b');
    run.wait(59_999);
    expect(run.status).toBe('recruiting');
    run.wait(1);
    expect(run.view).toMatchObject({ status: 'training', cohort: 2 });
  });

  it('goes on waiting below minimumUpdates, and starts as soon as they are there', () => {
    const run = new EngineDriver();
    run.join('a');
    run.wait(600_000);
    expect(run.view).toMatchObject({
      status: 'recruiting',
      reason: 'waiting for contributors: 1 of at least 2',
      timeLeftMs: null,
    });
    run.join('b');
    expect(run.status).toBe('training');
  });

  it('forgets those who disconnect', () => {
    const run = new EngineDriver();
    run.join('a', 'b');
    run.send({ type: 'disconnect', contributorId: 'a' });
    run.join('c');
    expect(run.view).toMatchObject({ status: 'recruiting', available: 2 });
  });

  it('chooses each of many contributors about equally often', () => {
    const chosen = new Map<string, number>();
    for (let seed = 0; seed < 400; seed++) {
      const run = new EngineDriver({ cohortSize: 2, minimumUpdates: 2 }, seed);
      // Nobody is available until all are there: the round starts with a choice of 2 out of 4.
      run.send({ type: 'pause' });
      run.join('a', 'b', 'c', 'd');
      run.send({ type: 'resume' });
      for (const { contributorId } of cohortView(run.state, run.nowMs)) {
        chosen.set(contributorId, (chosen.get(contributorId) ?? 0) + 1);
      }
    }
    // 400 rounds of 2 out of 4: 200 each, standard deviation 10.
    for (const id of ['a', 'b', 'c', 'd']) expect(Math.abs(chosen.get(id)! - 200)).toBeLessThan(50);
  });

  it('refuses the availability of somebody who has not joined', () => {
    const run = new EngineDriver();
    expect(codeOf(() => run.send({ type: 'availability', contributorId: 'a', available: true }))).toBe(
      'NOT_JOINED',
    );
  });
});

describe('an open round', () => {
  it('closes when every update is stored, and the next starts by itself', () => {
    const run = training();
    run.deliver('a', 'b');
    expect(run.view).toMatchObject({
      status: 'training',
      received: 2,
      reason: 'waiting for updates: 2 of 3',
    });
    expect(run.deliver('c')).toEqual([{ type: 'aggregate' }]);
    expect(run.view).toMatchObject({ status: 'aggregating', received: 3, cohort: 3 });
    const [end, evaluate] = run.send({ type: 'aggregated' });
    expect(end).toMatchObject({ type: 'end-round', outcome: 'aggregated', received: 3, adapterVersion: 1 });
    expect(evaluate).toEqual({ type: 'evaluate', round: 1, adapterVersion: 1 });
    expect(run.view).toMatchObject({ status: 'evaluating', adapterVersion: 1, round: 1 });
    expect(run.send({ type: 'evaluated', warning: null })).toMatchObject([{ type: 'start-round', round: 2 }]);
    run.deliver('a', 'b', 'c');
    run.send({ type: 'aggregated' });
    run.send({ type: 'evaluated', warning: null });
    expect(run.view).toMatchObject({ status: 'completed', adapterVersion: 2, round: 2, timeLeftMs: null });
  });

  it('closes at the deadline with minimumUpdates', () => {
    const run = training();
    run.deliver('b', 'c');
    run.wait(59_999);
    expect(run.status).toBe('training');
    expect(run.wait(1)).toEqual([{ type: 'aggregate' }]);
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'a', state: 'dropped' });
  });

  it('is abandoned at the deadline with fewer, keeps what is stored, and starts again after a backoff', () => {
    const run = training();
    run.deliver('b');
    const effects = run.wait(60_000);
    expect(effects).toHaveLength(1);
    expect(effects[0]).toMatchObject({
      type: 'end-round',
      outcome: 'abandoned',
      received: 1,
      adapterVersion: 0,
    });
    // The contributor whose update is kept is not told that it was for nothing.
    expect(effects[0]).toMatchObject({
      contributorIds: expect.toSatisfy((ids: string[]) => ids.toSorted().join() === 'a,c'),
    });
    expect(run.view).toMatchObject({ status: 'recruiting', round: 1, received: 1 });
    expect(run.view.reason).toBe(
      'too few updates arrived; round 1 starts again in a moment (attempt 2, 1 update kept)',
    );
    run.wait(999);
    expect(run.status).toBe('recruiting');
    const [start] = run.wait(1);
    expect(start).toMatchObject({ type: 'start-round', round: 1, attempt: 2, adapterVersion: 0 });
    expect(start).toMatchObject({
      contributorIds: expect.toSatisfy((ids: string[]) => ids.toSorted().join() === 'a,c'),
    });
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'b', state: 'received' });
    run.deliver('a', 'c');
    expect(run.view).toMatchObject({ status: 'aggregating', received: 3 });
  });

  it('invites others instead of those who failed to deliver', () => {
    const run = training();
    run.deliver('a');
    run.send({ type: 'leave', contributorId: 'b' });
    run.send({ type: 'leave', contributorId: 'c' });
    expect(run.view.reason).toContain('attempt 2');
    run.join('d', 'e');
    run.wait(1_000);
    const members = cohortView(run.state, run.nowMs).map((member) => member.contributorId);
    expect(members.toSorted()).toEqual(['a', 'd', 'e']);
    run.deliver('d', 'e');
    expect(run.view).toMatchObject({ status: 'aggregating', received: 3 });
  });

  it('counts a kept update of somebody who is gone towards the cohort', () => {
    const run = training();
    run.deliver('a');
    for (const contributorId of ['a', 'b', 'c']) run.send({ type: 'leave', contributorId });
    run.join('d');
    run.wait(1_000);
    expect(run.view).toMatchObject({ status: 'recruiting' });
    expect(run.view.reason).toBe('waiting for contributors: 2 of 3 (attempt 2, 1 update kept)');
    run.wait(60_000);
    expect(run.view).toMatchObject({ status: 'training', cohort: 2, received: 1 });
  });

  it('doubles the backoff with every attempt, up to its limit', () => {
    const run = training();
    const waits: number[] = [];
    for (let attempt = 2; attempt <= 7; attempt++) {
      run.wait(60_000);
      waits.push(nextTimeoutMs(run.state, run.rules, run.nowMs)! - run.nowMs);
      run.wait(waits.at(-1)!);
      expect(run.status).toBe('training');
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  it('does not wait for somebody who left', () => {
    const run = training();
    run.deliver('a', 'b');
    expect(run.send({ type: 'leave', contributorId: 'c' })).toEqual([{ type: 'aggregate' }]);
  });

  it('keeps the update of somebody who leaves after delivering', () => {
    const run = training();
    run.deliver('a');
    run.send({ type: 'leave', contributorId: 'a' });
    run.deliver('b', 'c');
    expect(run.view).toMatchObject({ status: 'aggregating', received: 3 });
  });

  it('waits for a disconnected member for the grace, then no longer', () => {
    const run = training();
    run.send({ type: 'disconnect', contributorId: 'c' });
    run.deliver('a', 'b');
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'c', state: 'disconnected' });
    expect(nextTimeoutMs(run.state, run.rules, run.nowMs)).toBe(run.nowMs + 10_000);
    // A time that passes between a step and the setting of its timer must not get lost
    expect(nextTimeoutMs(run.state, run.rules, run.nowMs + 9_999)).toBe(run.nowMs + 10_000);
    run.wait(9_999);
    expect(run.status).toBe('training');
    expect(run.wait(1)).toEqual([{ type: 'aggregate' }]);
  });

  it('gives up early when nobody is left who could deliver', () => {
    const run = training();
    run.deliver('a');
    run.send({ type: 'disconnect', contributorId: 'b' });
    run.send({ type: 'disconnect', contributorId: 'c' });
    run.wait(10_000);
    expect(run.view).toMatchObject({ status: 'recruiting', received: 1 });
  });

  it('offers the round again to a member who comes back without a stored update', () => {
    const run = training();
    run.deliver('a');
    run.send({ type: 'disconnect', contributorId: 'a' });
    run.send({ type: 'disconnect', contributorId: 'b' });
    run.wait(5_000);
    expect(run.join('a')).toEqual([]);
    expect(run.join('b')).toMatchObject([
      { type: 'start-round', round: 1, attempt: 1, contributorIds: ['b'] },
    ]);
    run.wait(30_000);
    expect(run.status).toBe('training');
  });

  it('takes a member back whose grace was over while the round waits for others', () => {
    const run = training();
    run.send({ type: 'disconnect', contributorId: 'b' });
    run.wait(20_000);
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'b', state: 'dropped' });
    expect(run.join('b')).toHaveLength(1);
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'b', state: 'training' });
  });

  it('takes a member back who left and joined again', () => {
    const run = training();
    run.send({ type: 'leave', contributorId: 'b' });
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'b', state: 'dropped' });
    expect(run.join('b')).toHaveLength(1);
    run.deliver('a', 'c');
    expect(run.status).toBe('training');
    run.deliver('b');
    expect(run.status).toBe('aggregating');
  });

  it('waits for a paused member for the grace, then goes on without her until she resumes', () => {
    const run = training();
    run.send({ type: 'availability', contributorId: 'c', available: false });
    run.deliver('a', 'b');
    expect(nextTimeoutMs(run.state, run.rules, run.nowMs)).toBe(run.nowMs + 10_000);
    run.wait(9_999);
    expect(run.status).toBe('training');
    expect(cohortView(run.state, run.nowMs)).toContainEqual({ contributorId: 'c', state: 'training' });
    expect(run.wait(1)).toEqual([{ type: 'aggregate' }]);
  });

  it('offers nothing to a member who comes back only to read, and waits for her no longer than the grace', () => {
    const run = training();
    run.deliver('a', 'b');
    run.send({ type: 'disconnect', contributorId: 'c' });
    expect(run.send({ type: 'join', contributorId: 'c', available: false })).toEqual([]);
    run.wait(RULES.reconnectGraceMs - 1);
    expect(run.status).toBe('training');
    run.wait(1);
    expect(run.status).toBe('aggregating');
  });

  it('waits for a member who resumes within the grace', () => {
    const run = training();
    run.send({ type: 'availability', contributorId: 'c', available: false });
    run.deliver('a', 'b');
    run.wait(5_000);
    run.send({ type: 'availability', contributorId: 'c', available: true });
    run.wait(20_000);
    expect(run.status).toBe('training');
    run.deliver('c');
    expect(run.view).toMatchObject({ status: 'aggregating', received: 3 });
  });

  it('offers the round again to a member who resumes', () => {
    const run = training();
    run.send({ type: 'availability', contributorId: 'a', available: false });
    expect(run.send({ type: 'availability', contributorId: 'a', available: true })).toMatchObject([
      { type: 'start-round', contributorIds: ['a'] },
    ]);
  });

  it('refuses a second delivery of one member and one of a stranger', () => {
    const run = training();
    run.deliver('a');
    expect(codeOf(() => run.deliver('a'))).toBe('RUN_STATE');
    expect(codeOf(() => run.deliver('z'))).toBe('RUN_STATE');
    expect(run.view.received).toBe(1);
  });

  it('measures the duration from the first attempt', () => {
    const run = training();
    const startedAtMs = run.nowMs;
    run.wait(60_000);
    run.wait(1_000);
    run.deliver('a', 'b', 'c');
    expect(run.state.durable.phase).toMatchObject({ closed: { startedAtMs, attempt: 2 } });
  });
});

describe('pause, resume, stop', () => {
  it('pauses between rounds and resumes', () => {
    const run = new EngineDriver();
    run.send({ type: 'pause' });
    run.join('a', 'b', 'c');
    run.wait(1_000_000);
    expect(run.view).toMatchObject({ status: 'paused', reason: 'paused by the admin', timeLeftMs: null });
    expect(run.send({ type: 'resume' })).toMatchObject([{ type: 'start-round', round: 1 }]);
  });

  it('lets the open round finish, and starts no other', () => {
    const run = training();
    run.deliver('a');
    run.send({ type: 'pause' });
    expect(run.view).toMatchObject({ status: 'paused', cohort: 3, received: 1 });
    run.deliver('b');
    expect(run.deliver('c')).toEqual([{ type: 'aggregate' }]);
    run.send({ type: 'aggregated' });
    run.send({ type: 'evaluated', warning: null });
    expect(run.view).toMatchObject({ status: 'paused', round: 2, adapterVersion: 1, cohort: 0 });
    expect(run.send({ type: 'resume' })).toMatchObject([{ type: 'start-round', round: 2 }]);
  });

  it('resumes an open round where it was', () => {
    const run = training();
    run.deliver('a');
    run.send({ type: 'pause' });
    expect(run.send({ type: 'resume' })).toEqual([]);
    expect(run.view).toMatchObject({ status: 'training', received: 1 });
  });

  it('abandons an open round at its deadline while paused, keeping what is stored', () => {
    const run = training();
    run.deliver('a');
    run.send({ type: 'pause' });
    expect(run.wait(60_000)).toMatchObject([{ type: 'end-round', outcome: 'abandoned' }]);
    run.wait(60_000);
    expect(run.view).toMatchObject({ status: 'paused', received: 1 });
    expect(run.send({ type: 'resume' })).toMatchObject([{ type: 'start-round', attempt: 2 }]);
  });

  it('pauses after the aggregation or evaluation under way, and can take it back', () => {
    for (const upTo of ['aggregating', 'evaluating']) {
      const run = training();
      run.deliver('a', 'b', 'c');
      if (upTo === 'evaluating') run.send({ type: 'aggregated' });
      run.send({ type: 'pause' });
      expect(run.view.reason).toContain('pauses afterwards');
      expect(codeOf(() => run.send({ type: 'pause' }))).toBe('RUN_STATE');
      run.send({ type: 'resume' });
      expect(codeOf(() => run.send({ type: 'resume' }))).toBe('RUN_STATE');
      run.send({ type: 'pause' });
      if (upTo === 'aggregating') run.send({ type: 'aggregated' });
      run.send({ type: 'evaluated', warning: null });
      expect(run.status).toBe('paused');
    }
  });

  it('completes the last round even when a pause is wanted', () => {
    const run = training({ roundCount: 1 });
    run.deliver('a', 'b', 'c');
    run.send({ type: 'aggregated' });
    run.send({ type: 'pause' });
    run.send({ type: 'evaluated', warning: null });
    expect(run.status).toBe('completed');
  });

  it('stops from every state that is not an end', () => {
    const recruiting = new EngineDriver();
    const open = training();
    open.deliver('a');
    const pausedOpen = training();
    pausedOpen.send({ type: 'pause' });
    const pausedBetween = new EngineDriver();
    pausedBetween.send({ type: 'pause' });
    const evaluating = training();
    evaluating.deliver('a', 'b', 'c');
    evaluating.send({ type: 'aggregated' });
    for (const run of [recruiting, open, pausedOpen, pausedBetween, evaluating]) {
      run.send({ type: 'stop' });
      expect(run.view).toMatchObject({ status: 'stopped', reason: 'stopped by the admin' });
      expect(nextTimeoutMs(run.state, run.rules, run.nowMs)).toBeNull();
      for (const type of ['pause', 'resume', 'stop'] as const) {
        expect(codeOf(() => run.send({ type }))).toBe('RUN_ENDED');
      }
    }
    // Whose update is stored is not told "abandoned".
    const again = training();
    again.deliver('a');
    const [end] = again.send({ type: 'stop' });
    expect(end).toMatchObject({ type: 'end-round', outcome: 'abandoned', received: 1 });
    expect(end).toMatchObject({ contributorIds: expect.not.arrayContaining(['a']) });
  });

  it('finishes an aggregation under way before it stops', () => {
    const run = training();
    run.deliver('a', 'b', 'c');
    run.send({ type: 'stop' });
    expect(run.status).toBe('aggregating');
    expect(codeOf(() => run.send({ type: 'stop' }))).toBe('RUN_STATE');
    expect(run.send({ type: 'aggregated' })).toMatchObject([
      { type: 'end-round', outcome: 'aggregated' },
      { type: 'evaluate', adapterVersion: 1 },
    ]);
    expect(run.view).toMatchObject({ status: 'stopped', adapterVersion: 1 });
  });

  it('refuses to resume what is not paused, and to pause twice', () => {
    const run = training();
    expect(codeOf(() => run.send({ type: 'resume' }))).toBe('RUN_STATE');
    run.send({ type: 'pause' });
    expect(codeOf(() => run.send({ type: 'pause' }))).toBe('RUN_STATE');
    expect(codeOf(() => new EngineDriver().send({ type: 'resume' }))).toBe('RUN_STATE');
  });
});

describe('failures', () => {
  it('ends as failed when the aggregate cannot be made', () => {
    const run = training();
    run.deliver('a', 'b', 'c');
    expect(run.send({ type: 'aggregation-failed', message: 'the sum is not finite' })).toMatchObject([
      { type: 'end-round', outcome: 'abandoned', adapterVersion: 0 },
    ]);
    expect(run.view).toMatchObject({ status: 'failed', reason: 'the sum is not finite', adapterVersion: 0 });
  });

  it('goes on after a failed evaluation and shows the warning until one works again', () => {
    const run = training();
    run.deliver('a', 'b', 'c');
    run.send({ type: 'aggregated' });
    run.send({ type: 'evaluated', warning: 'the evaluation of round 1 failed' });
    expect(run.view).toMatchObject({ status: 'training', round: 2 });
    expect(run.view.reason).toBe('waiting for updates: 0 of 3; the evaluation of round 1 failed');
    run.deliver('a', 'b', 'c');
    run.send({ type: 'aggregated' });
    run.send({ type: 'evaluated', warning: null });
    expect(run.view.reason).toBe('all 2 rounds are done');
  });

  it('refuses reports that belong to another phase and leaves the state as it was', () => {
    const run = training();
    const before = run.state;
    expect(codeOf(() => run.send({ type: 'aggregated' }))).toBe('RUN_STATE');
    expect(codeOf(() => run.send({ type: 'aggregation-failed', message: '' }))).toBe('RUN_STATE');
    expect(codeOf(() => run.send({ type: 'evaluated', warning: null }))).toBe('RUN_STATE');
    expect(run.state).toBe(before);
  });
});

describe('restart', () => {
  it('goes on recruiting, and keeps what was kept', () => {
    const run = training();
    run.deliver('a');
    run.wait(60_000);
    run.restart();
    expect(run.view).toMatchObject({ status: 'recruiting', available: 0, received: 1, timeLeftMs: 60_000 });
    run.join('b', 'c');
    expect(run.view).toMatchObject({ status: 'training', cohort: 3, received: 1 });
  });

  it('goes on with an open round: fresh deadline, longer grace, nothing lost', () => {
    const run = training();
    run.deliver('a');
    run.wait(50_000);
    run.restart();
    expect(run.view).toMatchObject({ status: 'training', received: 1, timeLeftMs: 60_000, available: 0 });
    run.wait(29_000);
    expect(run.join('b', 'c')).toHaveLength(2);
    expect(run.join('a')).toEqual([]);
    run.deliver('b', 'c');
    expect(run.view).toMatchObject({ status: 'aggregating', received: 3 });
  });

  it('gives an open round up when its members do not come back in time', () => {
    const run = training();
    run.deliver('a');
    run.restart();
    run.wait(30_000);
    expect(run.view).toMatchObject({ status: 'recruiting', received: 1 });
  });

  it('carries out again what may have been cut off', () => {
    const run = training();
    run.deliver('a', 'b', 'c');
    expect(run.restart()).toEqual([{ type: 'aggregate' }]);
    run.send({ type: 'aggregated' });
    expect(run.restart()).toEqual([{ type: 'evaluate', round: 1, adapterVersion: 1 }]);
    run.send({ type: 'evaluated', warning: null });
    expect(run.view).toMatchObject({ status: 'recruiting', round: 2 });
  });

  it('stays paused, with an open round and without', () => {
    const open = training();
    open.deliver('a');
    open.send({ type: 'pause' });
    open.restart();
    expect(open.view).toMatchObject({ status: 'paused', received: 1, timeLeftMs: 60_000 });
    open.join('b', 'c');
    open.deliver('b', 'c');
    expect(open.status).toBe('aggregating');
    const between = new EngineDriver();
    between.send({ type: 'pause' });
    expect(between.restart()).toEqual([]);
    expect(between.status).toBe('paused');
  });

  it('stays ended', () => {
    const stopped = new EngineDriver();
    stopped.send({ type: 'stop' });
    const failed = training();
    failed.deliver('a', 'b', 'c');
    failed.send({ type: 'aggregation-failed', message: 'why' });
    const completed = training({ roundCount: 1 });
    completed.deliver('a', 'b', 'c');
    completed.send({ type: 'aggregated' });
    completed.send({ type: 'evaluated', warning: null });
    for (const run of [stopped, failed, completed]) {
      const before = run.view;
      expect(run.restart()).toEqual([]);
      expect(run.view).toEqual({ ...before, available: 0 });
    }
  });

  it('refuses a state of another version', () => {
    const run = new EngineDriver();
    const json = serializeState(run.state).replace('"version":2', '"version":99');
    expect(json).toContain('99');
    expect(codeOf(() => restoreState(json, RULES, 0, () => []))).toBe('STORE_DAMAGED');
  });
});

it('leaves the durable part alone when only presence changes', () => {
  const run = new EngineDriver();
  const before = run.state.durable;
  run.join('a');
  run.send({ type: 'disconnect', contributorId: 'a' });
  run.wait(1);
  expect(run.state.durable).toBe(before);
});
