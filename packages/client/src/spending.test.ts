import { beforeEach, describe, expect, test } from 'vitest';
import type { DpEvent, PrivacyPlan } from '@chorale/privacy';
import { reportedEpsilon, roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import { accounting } from './accounting.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { openMemoryLedger } from './ledger.ts';
import { Spending } from './spending.ts';

const PLAN: PrivacyPlan = {
  unit: 'example',
  clipping: 'flat',
  clippingNorm: 1,
  noiseMultiplier: 1.1,
  noise: 'rounded-gaussian',
  samplingRate: 0.05,
  localSteps: 8,
  expectedBatchSize: 60,
  learningRate: 1.5,
  targetDelta: 1e-5,
  localMetricsNoiseMultiplier: null,
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

const tight = (...events: DpEvent[]): number =>
  reportedEpsilon({ type: 'composed', events }, PLAN.targetDelta).epsilon;

const entriesOf = (...events: DpEvent[]): LedgerEntry[] =>
  events.map((event, i) => ({ round: i + 1, event, payload: null, outcome: 'accepted' }));

let asked: number;
let ledger: Ledger;
beforeEach(() => {
  asked = 0;
  ledger = openMemoryLedger();
});

async function spendingOf(entries: LedgerEntry[], plan = PLAN) {
  for (const entry of entries) await ledger.add(entry);
  const spending = new Spending({
    ledger,
    plan,
    askEpsilon: async (event, delta) => {
      asked += 1;
      return accounting.epsilonOf(event, delta);
    },
  });
  await spending.load();
  return spending;
}

describe('epsilon', () => {
  test('is 0 for an empty ledger, with and without protection, and nobody is asked', async () => {
    expect(await (await spendingOf([])).epsilon()).toBe(0);
    expect(await (await spendingOf([], NONE)).epsilon()).toBe(0);
    expect(asked).toBe(0);
  });

  test.each([1, 2, 7, 30])('of %d rounds of the plan is that of the plan after so many', async (rounds) => {
    const spending = await spendingOf(entriesOf(...Array.from({ length: rounds }, () => stepsOf(1.1))));
    const whole = spentEpsilonAfter(PLAN, rounds);
    expect(await spending.epsilon()).toBe(whole);
    expect(await spending.shownEpsilon()).toBe(roundEpsilonUp(whole));
    expect(await spending.epsilon({ upToRound: rounds - 1, moreRounds: 1 })).toBe(whole);
    expect(await spending.epsilon({ upToRound: 0, moreRounds: rounds })).toBe(whole);
    expect(asked).toBe(1); // the same releases, however they are put together
  });

  test('prices each entry by its own event and the rounds to come by the plan', async () => {
    const spending = await spendingOf(entriesOf(stepsOf(0.6), stepsOf(3, 2)));
    const all = await spending.epsilon({ moreRounds: 2 });
    expect(all).toBeCloseTo(tight(stepsOf(0.6), stepsOf(3, 2), stepsOf(1.1), stepsOf(1.1)), 10);
    expect(all).toBeGreaterThan(spentEpsilonAfter(PLAN, 4));
    expect(await spending.epsilon({ upToRound: 1 })).toBeCloseTo(tight(stepsOf(0.6)), 10);
  });

  test('is the same in whatever order rounds came', async () => {
    const events = [stepsOf(0.6), stepsOf(1.3), stepsOf(2.9), stepsOf(0.9), stepsOf(1.7)];
    const one = await (await spendingOf(entriesOf(...events))).epsilon();
    ledger = openMemoryLedger();
    expect(await (await spendingOf(entriesOf(...events.toReversed()))).epsilon()).toBe(one);
  });

  test('counts what was released, whatever became of it', async () => {
    const [entry] = entriesOf(stepsOf(1.1));
    for (const outcome of ['pending', 'accepted', 'late', 'refused', 'restored'] as const) {
      ledger = openMemoryLedger();
      expect(await (await spendingOf([{ ...entry!, outcome }])).epsilon()).toBe(spentEpsilonAfter(PLAN, 1));
    }
  });

  test('is endless once anything was released without protection', async () => {
    expect(await (await spendingOf(entriesOf({ type: 'non-private' }))).epsilon()).toBe(Infinity);
    ledger = openMemoryLedger();
    const none = await spendingOf(entriesOf(stepsOf(1.1)), NONE);
    expect(await none.epsilon()).toBe(Infinity);
    expect(await none.shownEpsilon()).toBeNull();
    expect(none.knownShownEpsilon()).toBeNull();
  });

  test('is known at once when it was asked for before', async () => {
    const spending = await spendingOf(entriesOf(stepsOf(1.1)));
    expect(spending.knownShownEpsilon()).toBeUndefined();
    const shown = await spending.shownEpsilon();
    expect(spending.knownShownEpsilon()).toBe(shown);
    expect(spending.knownShownEpsilon({ moreRounds: 1 })).toBeUndefined();
  });
});

describe('the live odometer', () => {
  test('gives what Rényi accounting makes of it at once, and the tight value once that is known', async () => {
    const events = [stepsOf(1.1), stepsOf(0.9)];
    const spending = await spendingOf(entriesOf(...events));
    const { rdpEpsilon, epsilon } = reportedEpsilon({ type: 'composed', events }, PLAN.targetDelta);
    expect(rdpEpsilon).toBeGreaterThan(1.02 * epsilon);
    expect(spending.liveShownEpsilon()).toBe(roundEpsilonUp(rdpEpsilon));
    expect(asked).toBe(0);
    expect(await spending.price()).toEqual({ epsilon: expect.closeTo(epsilon, 10) as number, reason: null });
    expect(spending.liveShownEpsilon()).toBe(roundEpsilonUp(epsilon));
    // What is charged and restored counts in it, what becomes of it does not
    await spending.settle({ ...spending.entry(1)!, outcome: 'late' });
    await spending.restore([5, 6]);
    const all = { type: 'composed', events: [...events, stepsOf(1.1), stepsOf(1.1)] } as const;
    const { rdpEpsilon: more } = reportedEpsilon(all, PLAN.targetDelta);
    expect(spending.liveShownEpsilon()).toBe(roundEpsilonUp(more));
  });

  test('shows 0 for nothing, and nothing for a run that protects nobody', async () => {
    expect((await spendingOf([])).liveShownEpsilon()).toBe(0);
    expect((await spendingOf(entriesOf(stepsOf(1.1)), NONE)).liveShownEpsilon()).toBeNull();
  });
});

test('says why a price is not the tight one', async () => {
  const plan: PrivacyPlan = { ...PLAN, noiseMultiplier: 0.01 }; // out of the domain of the tight accountant
  const spending = await spendingOf(entriesOf(stepsOf(0.01)), plan);
  expect((await spending.price()).reason).toMatch(/Rényi accounting/);
});

describe('charging', () => {
  test('is in the ledger before it counts, and does not count when the ledger refuses', async () => {
    const spending = await spendingOf([]);
    const entry: LedgerEntry = {
      round: 3,
      event: stepsOf(1.1),
      payload: Uint8Array.of(1),
      outcome: 'pending',
    };
    const { add } = ledger;
    ledger.add = () => Promise.reject(new Error('the disk is full'));
    await expect(spending.charge(entry)).rejects.toThrow('the disk is full');
    expect(spending.chargedRounds).toEqual([]);
    ledger.add = add;
    await spending.charge(entry);
    expect(spending.chargedRounds).toEqual([3]);
    expect(await ledger.entries()).toEqual([entry]);
  });

  test('refuses a round that has an entry: what was released is not replaced', async () => {
    const spending = await spendingOf([]);
    await spending.restore([3]);
    const other: LedgerEntry = { round: 3, event: stepsOf(3), payload: Uint8Array.of(1), outcome: 'pending' };
    const { add } = ledger;
    ledger.add = () => Promise.reject(new Error('not to be asked'));
    await expect(spending.charge(other)).rejects.toMatchObject({ code: 'LEDGER_UNAVAILABLE' });
    ledger.add = add;
    // Nor by way of a ledger that another tab has written meanwhile
    const unaware = new Spending({
      ledger,
      plan: PLAN,
      askEpsilon: () => Promise.reject(new Error('not asked')),
    });
    await expect(unaware.charge(other)).rejects.toMatchObject({
      code: 'LEDGER_UNAVAILABLE',
      message: expect.stringMatching(/no entry of round 3 .*Nothing more is sent/) as string,
    });
    expect(unaware.chargedRounds).toEqual([]);
    expect(await ledger.entries()).toMatchObject([{ round: 3, event: stepsOf(1.1), outcome: 'restored' }]);
  });

  test('takes turns: the same round, restored for two connections at once, is written once', async () => {
    const spending = await spendingOf([]);
    expect(await Promise.all([spending.restore([1, 2]), spending.restore([1, 2, 3])])).toEqual([[1, 2], [3]]);
    expect(spending.chargedRounds).toEqual([1, 2, 3]);
  });

  test('a write that failed does not hold up the next one', async () => {
    const spending = await spendingOf([]);
    const { add } = ledger;
    ledger.add = () => Promise.reject(new Error('the disk is full'));
    await expect(spending.restore([1])).rejects.toThrow('the disk is full');
    ledger.add = add;
    expect(await spending.restore([1])).toEqual([1]);
  });

  test('restoring adds what is missing, at the price of the plan, and touches nothing else', async () => {
    const own: LedgerEntry = { round: 2, event: stepsOf(3), payload: Uint8Array.of(7), outcome: 'late' };
    const spending = await spendingOf([own]);
    expect(await spending.restore([1, 2, 5])).toEqual([1, 5]);
    expect(await spending.restore([1, 2, 5])).toEqual([]);
    const restored = { event: stepsOf(1.1), payload: null, outcome: 'restored' };
    expect(await ledger.entries()).toEqual([{ round: 1, ...restored }, own, { round: 5, ...restored }]);
    expect(spending.chargedRounds).toEqual([1, 2, 5]);
  });
});

describe('own limits', () => {
  const limitsOf = (epsilonLimit: number | null, mostRounds = 1000) => ({
    epsilonLimit,
    leastNoiseMultiplier: 0.1,
    mostRounds,
  });

  test('a limit of exactly so many rounds admits them, and no more', async () => {
    for (const noiseMultiplier of [0.7, 1.1, 2.3]) {
      const plan = { ...PLAN, noiseMultiplier };
      for (const count of [1, 3, 10]) {
        const limits = limitsOf(spentEpsilonAfter(plan, count));
        ledger = openMemoryLedger();
        const rounds = Array.from({ length: count - 1 }, () => stepsOf(noiseMultiplier));
        const spending = await spendingOf(entriesOf(...rounds), plan);
        expect(await spending.limitReached(limits, 1000)).toBeNull();
        await spending.restore([count]);
        expect(await spending.limitReached(limits, 1000)).toMatchObject({ because: 'epsilon-limit' });
      }
    }
  });

  test('says what one more round would come to', async () => {
    const spending = await spendingOf(entriesOf(stepsOf(1.1)));
    const two = roundEpsilonUp(spentEpsilonAfter(PLAN, 2));
    const limit = spentEpsilonAfter(PLAN, 1);
    const reached = await spending.limitReached(limitsOf(limit), 10);
    expect(reached!.message).toBe(
      `One more round would bring epsilon to ${two}, over the ${limit} you allow, so this device trains no more.`,
    );
  });

  test('rounds are limited whatever they cost', async () => {
    const spending = await spendingOf(entriesOf(stepsOf(1.1), stepsOf(1.1)));
    expect(await spending.limitReached(limitsOf(1e6, 3), 10)).toBeNull();
    const reached = await spending.limitReached(limitsOf(1e6, 2), 10);
    expect(reached).toEqual({
      because: 'most-rounds',
      message: 'This device took part in the 2 rounds you allow, so it trains no more.',
    });
    expect((await spending.limitReached(limitsOf(1e6, 1), 10))!.message).toContain('the one round you allow');
  });

  test('the end of the plan is no limit', async () => {
    const spending = await spendingOf(entriesOf(stepsOf(1.1), stepsOf(1.1)));
    expect(await spending.limitReached(limitsOf(1e-3, 2), 2)).toBeNull();
  });

  test('without protection no epsilon limit holds, and none is needed', async () => {
    const spending = await spendingOf([], NONE);
    expect(await spending.limitReached(limitsOf(1e9), 5)).toMatchObject({ because: 'epsilon-limit' });
    expect(await spending.limitReached(limitsOf(null), 5)).toBeNull();
  });
});
