import { describe, expect, it } from 'vitest';
import type { RunStatus } from '@chorale/protocol';
import { ENDED_STATUSES, RUN_STATUSES } from '@chorale/protocol';
import { EngineDriver } from './roundEngine.fixture.ts';
import type { TransitionRow } from './transitions.ts';
import { TRANSITIONS } from './transitions.ts';

const ROWS: readonly TransitionRow[] = TRANSITIONS;
const ENDED: readonly RunStatus[] = ENDED_STATUSES;

describe('TRANSITIONS', () => {
  it('names each transition once', () => {
    expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
  });

  it('gives each state that is no end an exit by its event, and one by time or by the admin', () => {
    const causesOf = (status: RunStatus) =>
      ROWS.filter(({ from, to }) => from.includes(status) && to !== null && to !== status).flatMap(
        ({ causes }) => causes,
      );
    for (const status of RUN_STATUSES.filter((one) => !ENDED.includes(one))) {
      const causes = causesOf(status);
      expect(causes.some((cause) => cause === 'contributors' || cause === 'server')).toBe(true);
      expect(causes.some((cause) => cause === 'time' || cause === 'admin')).toBe(true);
    }
    for (const status of ENDED) expect(causesOf(status)).toEqual([]);
  });

  it('leads to every state, and from every state to an end', () => {
    const reachable = (start: RunStatus) => {
      const seen = new Set([start]);
      for (const status of seen) {
        for (const { from, to } of ROWS) if (to !== null && from.some((one) => one === status)) seen.add(to);
      }
      return seen;
    };
    expect(reachable('recruiting')).toEqual(new Set(RUN_STATUSES));
    for (const status of RUN_STATUSES) {
      expect([...reachable(status)].some((one) => ENDED.includes(one))).toBe(true);
    }
  });

  // That the engine makes no other, and each of these, roundEngine.walk.test.ts shows.
  it('is what a step reports', () => {
    const run = new EngineDriver({ roundCount: 1 });
    run.join('a', 'b');
    expect(run.lastTransitions).toEqual([]);
    run.join('c');
    expect(run.lastTransitions).toEqual(['round-started']);
    run.deliver('a');
    expect(run.lastTransitions).toEqual([]);
    run.deliver('b', 'c');
    expect(run.lastTransitions).toEqual(['round-closed']);
    run.send({ type: 'stop' });
    expect(run.lastTransitions).toEqual(['stop-asked']);
    run.send({ type: 'aggregated' });
    expect(run.lastTransitions).toEqual(['aggregated', 'run-stopped']);
  });
});
