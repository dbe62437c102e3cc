import { describe, expect, test } from 'vitest';
import type { RunState } from '@chorale/protocol';
import { phaseFraction, timeLeftMs, tokenFrom } from './summary.ts';

const state: RunState = {
  runId: 'r',
  status: 'training',
  reason: '',
  round: 1,
  roundCount: 3,
  adapterVersion: 0,
  cohortSize: 4,
  available: 1,
  cohort: 4,
  received: 1,
  timeLeftMs: 90_000,
};

describe('phaseFraction', () => {
  test('training: arrivals or time, whichever is further', () => {
    expect(phaseFraction(state, 90_000, 120_000)).toBe(0.25);
    expect(phaseFraction(state, 30_000, 120_000)).toBe(0.75);
    expect(phaseFraction({ ...state, received: 4 }, 90_000, 120_000)).toBe(1);
  });
  test('training with an empty cohort and no limit is empty, not NaN', () => {
    expect(phaseFraction({ ...state, cohort: 0, received: 0 }, null, 120_000)).toBe(0);
  });
  test('recruiting: who is here of who is needed, never over full', () => {
    expect(phaseFraction({ ...state, status: 'recruiting' }, null, 120_000)).toBe(0.25);
    expect(phaseFraction({ ...state, status: 'recruiting', available: 9 }, null, 120_000)).toBe(1);
  });
  test('other phases have no measure', () => {
    expect(phaseFraction({ ...state, status: 'aggregating' }, null, 120_000)).toBeNull();
  });
});

test('timeLeftMs counts on from when the state was heard and stops at zero', () => {
  expect(timeLeftMs(state, 1000, 11_000)).toBe(80_000);
  expect(timeLeftMs(state, 1000, 500_000)).toBe(0);
  expect(timeLeftMs({ ...state, timeLeftMs: null }, 1000, 2000)).toBeNull();
});

test('tokenFrom takes a token or a whole link', () => {
  expect(tokenFrom('  abc123 ')).toBe('abc123');
  expect(tokenFrom('http://127.0.0.1:8080/admin?token=abc%2B1')).toBe('abc+1');
  expect(tokenFrom('https://h.example/admin?x=1&token=abc#top')).toBe('abc');
});
