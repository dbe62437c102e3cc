import { expect, test } from 'vitest';
import { LoadTally, quantile } from './loadTally.ts';

test('quantiles are values that were seen', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  expect(quantile(hundred, 0.5)).toBe(50);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile([7], 0.99)).toBe(7);
});

test('adds up what happened', () => {
  const tally = new LoadTally();
  expect(tally.report().updates.acknowledgementMs).toBeNull();
  tally.answered('accepted', 100, 30);
  tally.answered('accepted', 100, 10);
  tally.answered('UPDATE_WRONG_ROUND', 100, 20);
  tally.received(5000);
  tally.injected('drop');
  tally.refusedConnection('RATE_LIMITED');
  expect(tally.report()).toEqual({
    updates: {
      outcomes: { accepted: 2, UPDATE_WRONG_ROUND: 1 },
      uplinkBytes: 300,
      downlinkBytes: 5000,
      acknowledgementMs: { p50: 20, p99: 30, max: 30 },
    },
    refusedConnections: { RATE_LIMITED: 1 },
    injectedFaults: { drop: 1, delay: 0, duplicate: 0, corrupt: 0 },
    violations: [],
  });
});
