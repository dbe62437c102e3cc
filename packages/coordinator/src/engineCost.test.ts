import { expect, it } from 'vitest';
import { EngineDriver } from './roundEngine.fixture.ts';
import { nextTimeoutMs } from './runView.ts';

const EVENTS = 4_000;
const [SMALL, LARGE] = [200, 10_000];

/** An open round of so many members. */
function openRoundOf(members: number): EngineDriver {
  const run = new EngineDriver({ cohortSize: members, deadlineMs: 3_600_000 });
  for (let k = 0; k < members; k++) run.send({ type: 'join', contributorId: `c${k}` });
  expect(run.status).toBe('training');
  return run;
}

/** Milliseconds for EVENTS of each kind, with the view and the timer that follow every step; the best of some tries. */
function cost(run: EngineDriver, members: number): number {
  let best = Infinity;
  for (let attempt = 0; attempt < 5; attempt++) {
    const startedAt = Date.now();
    for (let k = 0; k < EVENTS; k++) {
      const contributorId = `c${(attempt * 31 + k) % (members - 1)}`;
      for (const type of ['disconnect', 'join'] as const) {
        run.nowMs++;
        run.send({ type, contributorId });
        if (run.view.cohort !== members || nextTimeoutMs(run.state, run.rules, run.nowMs) === null) {
          throw new Error('expected the round to stay open');
        }
      }
    }
    best = Math.min(best, Date.now() - startedAt);
  }
  return Math.max(1, best);
}

// Ratio of two times taken here, so a slow machine does not matter: fifty times the members cost fifty times as much when
// an event looks at all of them.
it('costs about the same for an event whether a round has 200 or 10,000 members', () => {
  const small = openRoundOf(SMALL);
  const large = openRoundOf(LARGE);
  cost(small, SMALL);
  expect(cost(large, LARGE) / cost(small, SMALL)).toBeLessThan(10);
});

it('stores nothing but the update for an update that closes no round', () => {
  const run = openRoundOf(1_000);
  const { durable } = run.state;
  for (let k = 0; k < 999; k++) {
    run.send({ type: 'update-stored', contributorId: `c${k}` });
    run.send({ type: 'disconnect', contributorId: `c${k}` });
  }
  expect(run.state.durable).toBe(durable);
  run.send({ type: 'leave', contributorId: 'c999' });
  expect(run.lastTransitions).toEqual(['round-closed']);
});
