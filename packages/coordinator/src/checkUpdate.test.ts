import { describe, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { checkUpdate } from './checkUpdate.ts';
import { EngineDriver } from './roundEngine.fixture.ts';

function outcome(run: EngineDriver, contributorId: string, round: number, stored?: string): string {
  try {
    return checkUpdate(run.state, { round, contributorId, sha256: 'aa' }, stored);
  } catch (error) {
    if (error instanceof ChoraleError) return error.code;
    throw error;
  }
}

function training(): EngineDriver {
  const run = new EngineDriver();
  run.join('a', 'b', 'c');
  return run;
}

describe('checkUpdate', () => {
  it('accepts the update of a member of the open round, paused or not', () => {
    const run = training();
    expect(outcome(run, 'a', 1)).toBe('accept');
    run.send({ type: 'pause' });
    expect(outcome(run, 'a', 1)).toBe('accept');
  });

  it('refuses another round, and every round when none is open', () => {
    const run = training();
    expect(outcome(run, 'a', 2)).toBe('UPDATE_WRONG_ROUND');
    run.deliver('a', 'b', 'c');
    expect(outcome(run, 'a', 1)).toBe('UPDATE_WRONG_ROUND');
    expect(outcome(new EngineDriver(), 'a', 1)).toBe('UPDATE_WRONG_ROUND');
  });

  it('refuses somebody who was not chosen', () => {
    const run = training();
    run.join('d');
    expect(outcome(run, 'd', 1)).toBe('UPDATE_NOT_IN_COHORT');
  });

  it('acknowledges the same bytes again, whatever happened since', () => {
    const run = training();
    run.deliver('a');
    expect(outcome(run, 'a', 1, 'aa')).toBe('duplicate');
    run.deliver('b', 'c');
    expect(outcome(run, 'a', 1, 'aa')).toBe('duplicate');
    run.send({ type: 'aggregated' });
    run.send({ type: 'stop' });
    expect(outcome(run, 'a', 1, 'aa')).toBe('duplicate');
  });

  it('refuses other bytes under the same key', () => {
    const run = training();
    run.deliver('a');
    expect(outcome(run, 'a', 1, 'bb')).toBe('UPDATE_CONFLICT');
  });

  it('refuses everything new once the run has ended', () => {
    const run = training();
    run.send({ type: 'stop' });
    expect(outcome(run, 'a', 1)).toBe('RUN_ENDED');
  });
});
