import { describe, expect, test } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import type { LedgerEntry } from './ledger.ts';
import { eventOfOther, parseEntry, parseIdentity, parseLimits } from './ledgerSchema.ts';

const EVENT: DpEvent = {
  type: 'self-composed',
  event: {
    type: 'poisson-sampled-gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    samplingRate: 0.1,
    noiseMultiplier: 1.25,
  },
  count: 4,
};
const ENTRY: LedgerEntry = { round: 3, event: EVENT, payload: Uint8Array.of(1, 2), outcome: 'pending' };
const unreadable = { name: 'ChoraleError', code: 'LEDGER_UNAVAILABLE' };

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('an entry', () => {
  test('is read as it was written, in every outcome', () => {
    expect(parseEntry(ENTRY)).toEqual(ENTRY);
    for (const outcome of ['accepted', 'late', 'refused', 'restored'] as const) {
      expect(parseEntry({ ...ENTRY, payload: null, outcome })).toMatchObject({ outcome, payload: null });
    }
    // As the first release wrote it
    expect(parseEntry({ ...ENTRY, event: { type: 'non-private' } }).event).toEqual({ type: 'non-private' });
  });

  test.each([
    ['nothing', undefined],
    ['text', 'entry'],
    ['a round that is none', { ...ENTRY, round: 0 }],
    ['half a round', { ...ENTRY, round: 1.5 }],
    ['an unknown outcome', { ...ENTRY, outcome: 'refunded' }],
    ['a missing payload', { round: 3, event: EVENT, outcome: 'accepted' }],
    ['a payload that is no bytes', { ...ENTRY, payload: [1, 2] }],
    ['more than an entry', { ...ENTRY, epsilon: 0 }],
    ['an event of a newer program', { ...ENTRY, event: { type: 'laplace', scale: 1 } }],
    ['an event with something left out', { ...ENTRY, event: { ...EVENT, count: undefined } }],
    ['a negative count', { ...ENTRY, event: { ...EVENT, count: -4 } }],
    [
      'noise that is no number',
      { ...ENTRY, event: { ...EVENT, event: { ...EVENT.event, noiseMultiplier: NaN } } },
    ],
  ])('%s fails closed', (_what, value) => {
    expect(() => parseEntry(value)).toThrow(expect.objectContaining(unreadable) as Error);
    expect(eventOfOther(value)).toEqual({ type: 'non-private' });
  });

  test('that cannot be read says what is wrong and what to do', () => {
    const { message } = thrownBy(() => parseEntry({ ...ENTRY, outcome: 'refunded' }));
    expect(message).toMatch(/outcome/);
    expect(message).toMatch(
      /Nothing more is sent\. Reload; if this stays, contribute these rows to this run no more/,
    );
  });

  test('of another run gives its event', () => {
    expect(eventOfOther(ENTRY)).toEqual(EVENT);
  });
});

test('identity and limits are read strictly', () => {
  const identity = { contributorId: 'contributor1', token: 't'.repeat(20), planHash: '' };
  expect(parseIdentity(identity)).toEqual(identity);
  expect(parseIdentity({ ...identity, contributorId: null })).toEqual({ ...identity, contributorId: null });
  for (const value of [
    null,
    {},
    { ...identity, contributorId: '' },
    { ...identity, token: 5 },
    { ...identity, more: 1 },
  ]) {
    expect(() => parseIdentity(value)).toThrow(expect.objectContaining(unreadable) as Error);
  }
  const limits = { epsilonLimit: 3, leastNoiseMultiplier: null, mostRounds: 4 };
  expect(parseLimits(limits)).toEqual(limits);
  for (const value of [null, {}, { ...limits, epsilonLimit: -1 }, { ...limits, mostRounds: 0 }]) {
    expect(() => parseLimits(value)).toThrow(expect.objectContaining(unreadable) as Error);
  }
});
