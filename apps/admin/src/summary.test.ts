import { describe, expect, test } from 'vitest';
import type { RoundRecord, RunState } from '@chorale/protocol';
import { fakeDetail } from './dev/fakeDetail.ts';
import { localAccuracy, phaseFraction, timeLeftMs, tokenFrom, worstEpsilon } from './summary.ts';

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

describe('localAccuracy', () => {
  const record = (localMetrics: RoundRecord['localMetrics']): RoundRecord => ({
    ...fakeDetail({ runId: 'r', name: 'r', status: 'training', done: 1 }).rounds[1]!,
    localMetrics,
  });
  test('the share, and two deviations of its noise', () => {
    // d(c/n) = (dc - share dn) / n, two independent deviations of 10: 2 * 10 * sqrt(1 + 0.75^2) / 400 = 0.0625
    expect(localAccuracy(record({ correct: 300, rows: 400, noiseStdDev: 10 }))).toEqual({
      share: 0.75,
      margin: 0.0625,
    });
  });
  test('noise may carry the share out of [0, 1]; what is shown stays in it', () => {
    expect(localAccuracy(record({ correct: 410, rows: 400, noiseStdDev: 10 }))?.share).toBe(1);
    expect(localAccuracy(record({ correct: -5, rows: 400, noiseStdDev: 10 }))?.share).toBe(0);
  });
  test('nothing where nothing is asked for, or the noise drowns it', () => {
    expect(localAccuracy(record(null))).toBeNull();
    expect(localAccuracy(record({ correct: 3, rows: 4, noiseStdDev: 10 }))).toBeNull();
    expect(localAccuracy(record({ correct: 3, rows: -4, noiseStdDev: 10 }))).toBeNull();
    expect(localAccuracy(record({ correct: 0, rows: 0, noiseStdDev: 0 }))).toBeNull();
  });
});

describe('worstEpsilon', () => {
  test('is of whoever was charged most, now or in any record', () => {
    const detail = fakeDetail({ runId: 'r', name: 'r', status: 'training', done: 6 });
    const most = { ...detail.contributors[0]!, spentEpsilon: 9.5 };
    expect(worstEpsilon({ ...detail, contributors: [...detail.contributors, most] })).toBe(9.5);
    expect(worstEpsilon({ ...detail, contributors: [] })).toBe(detail.rounds.at(-1)!.spentEpsilon);
  });
  test('is no number for a run that protects nothing', () => {
    expect(
      worstEpsilon(fakeDetail({ runId: 'r', name: 'r', status: 'training', done: 6, unit: 'none' })),
    ).toBeNull();
  });
});
