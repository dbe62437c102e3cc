import { afterEach, describe, expect, test } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import { roundEpsilonUp, rdpEpsilon, spentEpsilonAfter } from '@chorale/privacy';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import { quiet } from './testing/scriptedServer.ts';
import type { Taker } from './testing/takePart.ts';
import { ProbedLedger, TestBench } from './testing/takePart.ts';

let bench: TestBench;
afterEach(async () => {
  await bench.clean();
});

const DELTA = 1e-5;

/** What a round of this noise releases, written out apart from the code under test. */
function eventOf(noiseMultiplier: number): DpEvent {
  return {
    type: 'self-composed',
    event: {
      type: 'poisson-sampled-gaussian',
      privacyUnit: 'example',
      neighbouringRelation: 'zero-out',
      samplingRate: 0.1,
      noiseMultiplier,
    },
    count: 4,
  };
}

const composed = (...events: DpEvent[]): number => rdpEpsilon({ type: 'composed', events }, DELTA);

async function ledgerWith(events: DpEvent[]): Promise<ProbedLedger> {
  const ledger = new ProbedLedger();
  for (const [i, event] of events.entries()) {
    await ledger.write({ round: i + 1, event, payload: null, outcome: 'accepted' });
  }
  return ledger;
}

async function contribute(taker: Taker, round: number): Promise<void> {
  const before = taker.trainer.calls.length;
  bench.server.startRound(round);
  (await taker.training(before + 1)).finish();
  await taker.settled(round, 'accepted');
  await taker.shows('waiting');
}

async function expectStoppedBefore(taker: Taker, round: number): Promise<void> {
  const [calls, updates] = [taker.trainer.calls.length, bench.server.updates.length];
  bench.server.startRound(round);
  await taker.shows('stopped');
  expect(taker.participation).toMatchObject({ because: 'budget-spent' });
  await quiet();
  expect(taker.trainer.calls).toHaveLength(calls);
  expect(bench.server.updates).toHaveLength(updates);
  expect(bench.server.leaves).toBe(1);
  expect(taker.endings).toBe(1);
}

describe('the limit', () => {
  test('stops before the round that would cross it', async () => {
    bench = await TestBench.open();
    const [two, three] = [composed(eventOf(1), eventOf(1)), composed(eventOf(1), eventOf(1), eventOf(1))];
    const taker = await bench.join({ epsilonLimit: (two + three) / 2 });
    await contribute(taker, 1);
    await contribute(taker, 2);
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(two));
    await expectStoppedBefore(taker, 3);
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(two));
    expect(taker.contribution(3)).toBeUndefined();
  });

  test.each([0.37, 1, 1.9])(
    'of exactly the whole plan admits its last round (noise %d)',
    async (noiseMultiplier) => {
      bench = await TestBench.open({
        privacy: { unit: 'example', noiseMultiplier, targetDelta: DELTA },
      });
      const plan = privacyPlanOf(bench.server.run.run.plan);
      const taker = await bench.join({ epsilonLimit: spentEpsilonAfter(plan, 5) });
      for (let round = 1; round <= 5; round++) await contribute(taker, round);
      expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(spentEpsilonAfter(plan, 5)));
      await expectStoppedBefore(taker, 6);
    },
  );

  test('holds in a run without protection: an own limit admits no round', async () => {
    bench = await TestBench.open({ privacy: { unit: 'none' } });
    const taker = await bench.join({ epsilonLimit: 1000 });
    await expectStoppedBefore(taker, 1);
  });

  test('of a run without protection is none unless one is set; nothing is shown as spent', async () => {
    bench = await TestBench.open({ privacy: { unit: 'none' } });
    const taker = await bench.join({ epsilonLimit: Infinity });
    await contribute(taker, 1);
    expect(taker.store.state.spentEpsilon).toBeNull();
    expect(taker.contribution(1)).toMatchObject({ outcome: 'accepted', spentEpsilon: null });
    expect(await taker.ledger.entries()).toMatchObject([{ event: { type: 'non-private' } }]);
  });

  test('counts a release without protection in the ledger as endless, whatever the plan says now', async () => {
    bench = await TestBench.open();
    const taker = await bench.join({
      ledger: await ledgerWith([{ type: 'non-private' }]),
      epsilonLimit: 1e6,
    });
    expect(taker.store.state.spentEpsilon).toBe(Infinity);
    await expectStoppedBefore(taker, 2);
  });
});

describe('what the ledger holds', () => {
  test('is priced by its own events, not by the noise of today', async () => {
    bench = await TestBench.open();
    const older = [eventOf(0.5), eventOf(2)];
    const taker = await bench.join({ ledger: await ledgerWith(older) });
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(composed(...older)));
    expect(taker.contribution(1)!.spentEpsilon).toBe(roundEpsilonUp(composed(eventOf(0.5))));
    expect(taker.contribution(2)!.spentEpsilon).toBe(roundEpsilonUp(composed(...older)));
    await contribute(taker, 3);
    const spent = roundEpsilonUp(composed(...older, eventOf(1)));
    expect(taker.contribution(3)!.spentEpsilon).toBe(spent);
    expect(taker.store.state.spentEpsilon).toBe(spent);
  });

  test('decides whether one more round fits', async () => {
    bench = await TestBench.open();
    const older = [eventOf(0.5), eventOf(0.5)];
    const [asToday, asItWas] = [composed(eventOf(1), eventOf(1), eventOf(1)), composed(...older, eventOf(1))];
    expect(asToday).toBeLessThan(asItWas);
    const taker = await bench.join({
      ledger: await ledgerWith(older),
      epsilonLimit: (asToday + asItWas) / 2,
    });
    await expectStoppedBefore(taker, 3);
  });

  test('a round under way shows what it will cost before it has cost it', async () => {
    bench = await TestBench.open();
    const taker = await bench.join();
    bench.server.startRound(1);
    await taker.training();
    expect(taker.contribution(1)).toMatchObject({
      outcome: 'computing',
      spentEpsilon: roundEpsilonUp(composed(eventOf(1))),
    });
    expect(taker.store.state.spentEpsilon).toBe(0);
  });
});

describe('rounds that the server has and the ledger has not', () => {
  test('count as released, and are not computed again', async () => {
    bench = await TestBench.open();
    bench.server.contributedRounds = [1, 2];
    const taker = await bench.join();
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(composed(eventOf(1), eventOf(1))));
    expect(await taker.ledger.entries()).toMatchObject([
      { round: 1, outcome: 'accepted', payload: null },
      { round: 2, outcome: 'accepted', payload: null },
    ]);
    bench.server.startRound(2, 2);
    await quiet();
    expect(taker.trainer.calls).toEqual([]);
    expect(bench.server.updates).toEqual([]);
  });

  test('count before a round is admitted that starts right after joining', async () => {
    bench = await TestBench.open();
    const { server } = bench;
    server.contributedRounds = [1, 2];
    server.afterJoin = () => server.startRound(3);
    const ledger = new ProbedLedger();
    const held = Promise.withResolvers<void>();
    ledger.beforeSaveIdentity = () => held.promise; // a slow disk
    const limit = composed(eventOf(1), eventOf(1));
    const taker = await bench.enter({ ledger, epsilonLimit: limit });
    await quiet();
    expect(taker.trainer.calls).toEqual([]);
    held.resolve();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'budget-spent' });
    expect(taker.trainer.calls).toEqual([]);
  });
});
