import { describe, expect, test } from 'vitest';
import type { DpEvent, PrivacyPlan } from '@chorale/privacy';
import { rdpEpsilon, spentEpsilonAfter } from '@chorale/privacy';
import type { LedgerEntry } from './ledger.ts';
import { allowsOneMore, spentEpsilon } from './spending.ts';

const PLAN: PrivacyPlan = {
  unit: 'example',
  clippingNorm: 1,
  noiseMultiplier: 1.1,
  samplingRate: 0.05,
  localSteps: 8,
  expectedBatchSize: 60,
  learningRate: 1.5,
  targetDelta: 1e-5,
};
const NONE: PrivacyPlan = { ...PLAN, unit: 'none', noiseMultiplier: 0, targetDelta: 0 };

const stepsOf = (noiseMultiplier: number, count = 8): DpEvent => ({
  type: 'self-composed',
  event: {
    type: 'poisson-sampled-gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    samplingRate: 0.05,
    noiseMultiplier,
  },
  count,
});

const entriesOf = (...events: DpEvent[]): LedgerEntry[] =>
  events.map((event, i) => ({ round: i + 1, event, payload: null, outcome: 'accepted' }));

describe('spentEpsilon', () => {
  test('is 0 for an empty ledger, with and without protection', () => {
    expect(spentEpsilon([], PLAN)).toBe(0);
    expect(spentEpsilon([], NONE)).toBe(0);
  });

  test.each([1, 2, 7, 30])(
    'of %d rounds of the plan is what the accountant says of all their steps',
    (rounds) => {
      const entries = entriesOf(...Array.from({ length: rounds }, () => stepsOf(1.1)));
      expect(spentEpsilon(entries, PLAN)).toBeCloseTo(rdpEpsilon(stepsOf(1.1, 8 * rounds), 1e-5), 10);
      expect(spentEpsilon(entries.slice(1), PLAN, 1)).toBeCloseTo(spentEpsilon(entries, PLAN), 10);
      expect(spentEpsilon([], PLAN, rounds)).toBeCloseTo(spentEpsilonAfter(PLAN, rounds), 10);
    },
  );

  test('prices each entry by its own event and the rounds to come by the plan', () => {
    const entries = entriesOf(stepsOf(0.6), stepsOf(3, 2));
    const events = [stepsOf(0.6), stepsOf(3, 2), stepsOf(1.1), stepsOf(1.1)];
    expect(spentEpsilon(entries, PLAN, 2)).toBe(rdpEpsilon({ type: 'composed', events }, 1e-5));
    expect(spentEpsilon(entries, PLAN, 2)).toBeGreaterThan(spentEpsilonAfter(PLAN, 4));
  });

  test('counts what was released, whatever became of it', () => {
    const [entry] = entriesOf(stepsOf(1.1));
    for (const outcome of ['pending', 'accepted', 'late', 'refused'] as const) {
      expect(spentEpsilon([{ ...entry!, outcome }], PLAN)).toBe(spentEpsilonAfter(PLAN, 1));
    }
  });

  test('is endless once anything was released without protection', () => {
    expect(spentEpsilon(entriesOf({ type: 'non-private' }), PLAN)).toBe(Infinity);
    expect(spentEpsilon(entriesOf(stepsOf(1.1)), NONE)).toBe(Infinity);
    expect(spentEpsilon([], NONE, 1)).toBe(Infinity);
  });

  test('refuses to price a mechanism it does not know', () => {
    const unknown = { type: 'from-a-newer-program' } as unknown as DpEvent;
    expect(() => spentEpsilon(entriesOf(unknown), PLAN)).toThrow(TypeError);
  });
});

describe('allowsOneMore', () => {
  test('a limit of exactly so many rounds admits them in any order of adding, and no more', () => {
    for (const noiseMultiplier of [0.31, 0.7, 1.1, 2.3]) {
      const plan = { ...PLAN, noiseMultiplier };
      const round = stepsOf(noiseMultiplier);
      for (const count of [1, 2, 3, 10, 29]) {
        const limit = spentEpsilonAfter(plan, count);
        const before = entriesOf(...Array.from({ length: count - 1 }, () => round));
        expect(allowsOneMore(before, plan, limit)).toBe(true);
        expect(allowsOneMore([...before, ...entriesOf(round)], plan, limit)).toBe(false);
      }
    }
  });

  test('the order of different rounds decides nothing', () => {
    const events = [stepsOf(0.6), stepsOf(1.3), stepsOf(2.9), stepsOf(0.9), stepsOf(1.7)];
    const limit = rdpEpsilon({ type: 'composed', events: [...events, stepsOf(1.1)] }, 1e-5);
    expect(allowsOneMore(entriesOf(...events), PLAN, limit)).toBe(true);
    expect(allowsOneMore(entriesOf(...events.toReversed()), PLAN, limit)).toBe(true);
    expect(allowsOneMore(entriesOf(...events.toReversed()), PLAN, limit * 0.999)).toBe(false);
  });

  test('a limit of 0 admits nothing, no limit everything', () => {
    expect(allowsOneMore([], PLAN, 0)).toBe(false);
    expect(allowsOneMore([], PLAN, Infinity)).toBe(true);
    expect(allowsOneMore([], NONE, 1e9)).toBe(false);
    expect(allowsOneMore(entriesOf({ type: 'non-private' }), NONE, Infinity)).toBe(true);
  });
});
