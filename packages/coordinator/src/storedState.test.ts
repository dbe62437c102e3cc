import { describe, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { EngineDriver, RULES } from './roundEngine.fixture.ts';
import { cohortView, runView } from './runView.ts';
import { restoreState, serializeState } from './storedState.ts';

const codeOf = (json: string): string => {
  try {
    restoreState(json, RULES, 0, () => []);
  } catch (error) {
    if (error instanceof ChoraleError) return error.code;
    throw error;
  }
  return 'no error';
};

/** As the release before wrote them, with its `received` and `kept`. */
const OPEN_V1 = {
  version: 1,
  phase: {
    status: 'training',
    open: {
      round: 2,
      attempt: 1,
      startedAtMs: 5,
      deadlineMs: 60_005,
      members: [
        { contributorId: 'a', state: 'received' },
        { contributorId: 'b', state: 'training' },
        { contributorId: 'c', state: 'left' },
      ],
    },
  },
  adapterVersion: 1,
  warning: null,
};
const CLOSED_V1 = {
  version: 1,
  phase: {
    status: 'evaluating',
    closed: { round: 2, attempt: 1, startedAtMs: 5, cohort: ['a', 'b', 'c'], received: ['a', 'b'] },
    then: 'go-on',
  },
  adapterVersion: 2,
  warning: 'why',
};
const KEPT_V1 = {
  version: 1,
  phase: {
    status: 'recruiting',
    next: { round: 3, attempt: 2, startedAtMs: 7, kept: ['a'] },
    sinceMs: 1,
    notBeforeMs: 2,
  },
  adapterVersion: 2,
  warning: null,
};

describe('the stored state', () => {
  it('holds nobody whose update is stored: the updates say it', () => {
    const run = new EngineDriver();
    run.join('a', 'b', 'c');
    const before = serializeState(run.state);
    run.deliver('a');
    expect(serializeState(run.state)).toBe(before);
    const asked: number[] = [];
    const restored = restoreState(before, RULES, run.nowMs, (round) => {
      asked.push(round);
      return ['a', 'c'];
    });
    expect(asked).toEqual([1]);
    expect(runView(restored, RULES, run.nowMs)).toMatchObject({ status: 'training', received: 2, cohort: 3 });
    expect(cohortView(restored, run.nowMs)).toContainEqual({ contributorId: 'c', state: 'received' });
  });

  it('asks for the updates of the round under way in every phase, and for none once the run has ended', () => {
    const run = new EngineDriver();
    const asked: number[] = [];
    const ask = () =>
      restoreState(serializeState(run.state), RULES, run.nowMs, (round) => {
        asked.push(round);
        return [];
      });
    run.join('a', 'b', 'c');
    run.deliver('a', 'b', 'c');
    ask();
    run.send({ type: 'aggregated' });
    ask();
    run.send({ type: 'evaluated', warning: null });
    ask();
    run.send({ type: 'pause' });
    ask();
    run.send({ type: 'stop' });
    ask();
    expect(asked).toEqual([1, 1, 2, 2]);
  });

  it('reads what version 1 wrote, and takes who is received from the store', () => {
    const open = restoreState(JSON.stringify(OPEN_V1), RULES, 1_000, () => ['a', 'b']);
    expect(runView(open, RULES, 1_000)).toMatchObject({
      status: 'training',
      round: 2,
      cohort: 3,
      received: 2,
    });
    const closed = restoreState(JSON.stringify(CLOSED_V1), RULES, 1_000, () => ['a', 'b']);
    expect(closed.durable.phase).toMatchObject({ status: 'evaluating', sinceMs: 1_000 });
    expect(runView(closed, RULES, 1_000)).toMatchObject({ cohort: 3, received: 2, adapterVersion: 2 });
    const kept = restoreState(JSON.stringify(KEPT_V1), RULES, 1_000, () => ['a']);
    expect(runView(kept, RULES, 1_000)).toMatchObject({ status: 'recruiting', round: 3, received: 1 });
    for (const state of [open, closed, kept]) {
      const json = serializeState(state);
      expect(json).toContain('"version":2');
      expect(json).not.toMatch(/members|kept|received/);
    }
  });

  it('lets every limit begin anew', () => {
    const run = new EngineDriver();
    run.join('a', 'b', 'c');
    run.deliver('a', 'b', 'c');
    run.send({ type: 'aggregated' });
    run.nowMs += RULES.evaluationLimitMs - 1;
    run.restart();
    run.wait(RULES.evaluationLimitMs - 1);
    expect(run.status).toBe('evaluating');
    run.wait(1);
    expect(run.status).toBe('recruiting');
  });

  it('refuses what is no state, and what a newer release wrote', () => {
    expect(codeOf('{"version":2,"pha')).toBe('STORE_DAMAGED');
    expect(codeOf('null')).toBe('STORE_DAMAGED');
    expect(codeOf('{"version":2}')).toBe('STORE_DAMAGED');
    expect(codeOf('{"version":2,"phase":{"status":"training"},"adapterVersion":0,"warning":null}')).toBe(
      'STORE_DAMAGED',
    );
    expect(codeOf(JSON.stringify({ ...OPEN_V1, version: 3 }))).toBe('STORE_DAMAGED');
  });
});
