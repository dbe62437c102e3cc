import { afterEach, describe, expect, test, vi } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import { reportedEpsilon, roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import { ChoraleError } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import { publicRun, quiet, until } from './testing/scriptedServer.ts';
import type { Taker } from './testing/takePart.ts';
import { ProbedBackup, ProbedLedger, TestBench } from './testing/takePart.ts';

let bench: TestBench;
afterEach(async () => {
  vi.restoreAllMocks();
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

const composed = (...events: DpEvent[]): number =>
  reportedEpsilon({ type: 'composed', events }, DELTA).epsilon;

async function ledgerWith(events: DpEvent[]): Promise<ProbedLedger> {
  const ledger = new ProbedLedger();
  for (const [i, event] of events.entries()) {
    await ledger.add({ round: i + 1, event, payload: null, outcome: 'accepted' });
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

/** It trains no more, stays where it is, and goes on hearing of the run. */
async function expectReading(taker: Taker, round: number, because: string): Promise<void> {
  const { server } = bench;
  await taker.shows('reading');
  expect(taker.participation).toMatchObject({ because, message: expect.any(String) as string });
  const [calls, updates] = [taker.trainer.calls.length, server.updates.length];
  server.startRound(round);
  server.sendState({ status: 'training', reason: `round ${round} goes on` });
  await until(() => taker.store.state.runState?.reason === `round ${round} goes on`, 'the news');
  await quiet();
  expect(taker.trainer.calls).toHaveLength(calls);
  expect(server.updates).toHaveLength(updates);
  expect(taker.contribution(round)).toBeUndefined();
  expect(taker.participation.status).toBe('reading');
  expect([server.connections, server.leaves, taker.endings]).toEqual([1, 0, 0]);
  const said = [server.joins.at(-1)!.availability, ...server.availabilities].at(-1);
  expect(said).toBe('limit-reached');
}

describe('the limit of epsilon', () => {
  test('ends training before the round that would cross it; then she reads to the end of the run', async () => {
    bench = await TestBench.open();
    const [two, three] = [composed(eventOf(1), eventOf(1)), composed(eventOf(1), eventOf(1), eventOf(1))];
    const taker = await bench.join({ limits: { epsilonLimit: (two + three) / 2 } });
    await contribute(taker, 1);
    bench.server.startRound(2);
    (await taker.training(2)).finish();
    await taker.settled(2, 'accepted');
    await expectReading(taker, 3, 'epsilon-limit');
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(two));
    // Pausing what does not train changes nothing
    taker.loop.pause();
    expect(taker.participation.status).toBe('reading');
    bench.server.sendState({ status: 'completed' });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'run-completed' });
  });

  test.each([0.6, 1, 1.9])(
    'of exactly the whole plan admits its last round, and is not reached by it (noise %d)',
    async (noiseMultiplier) => {
      bench = await TestBench.open({
        privacy: { unit: 'example', noiseMultiplier, targetDelta: DELTA },
      });
      const plan = privacyPlanOf(bench.server.run.run.plan);
      const taker = await bench.join({ limits: { epsilonLimit: spentEpsilonAfter(plan, 5), mostRounds: 5 } });
      for (let round = 1; round <= 5; round++) await contribute(taker, round);
      expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(spentEpsilonAfter(plan, 5)));
      expect(bench.server.availabilities).toEqual([]);
    },
  );

  test('holds over a lost connection: she says so when she joins again', async () => {
    bench = await TestBench.open();
    const taker = await bench.join({ limits: { epsilonLimit: composed(eventOf(1)) } });
    bench.server.startRound(1);
    (await taker.training()).finish();
    await taker.shows('reading');
    bench.server.breakConnections();
    await until(() => bench.server.joins.length === 2, 'the second join');
    expect(bench.server.joins[1]).toMatchObject({ availability: 'limit-reached', chargedRounds: [1] });
    await expectReading(taker, 2, 'epsilon-limit');
  });

  test('delivers what was computed before it, also from an earlier visit', async () => {
    bench = await TestBench.open();
    const ledger = new ProbedLedger();
    const payload = Uint8Array.of(1, 2, 3);
    await ledger.add({ round: 1, event: eventOf(1), payload, outcome: 'pending' });
    const taker = await bench.enter({ ledger, limits: { epsilonLimit: composed(eventOf(1)) } });
    await taker.settled(1, 'accepted');
    expect(bench.server.updates).toEqual([{ round: 1, bytes: payload }]);
    await expectReading(taker, 2, 'epsilon-limit');
    // Whoever goes away when she reads has nothing left to send
    expect(taker.shown.map(({ status }) => status)).toEqual(['not-joined', 'sending', 'reading']);
  });

  test('holds in a run without protection: an own limit admits no round', async () => {
    bench = await TestBench.open({ privacy: { unit: 'none' } });
    const taker = await bench.enter({ limits: { epsilonLimit: 1000 } });
    await expectReading(taker, 1, 'epsilon-limit');
  });

  test('of a run without protection is none unless one is set; nothing is shown as spent', async () => {
    bench = await TestBench.open({ privacy: { unit: 'none' } });
    const taker = await bench.join();
    await contribute(taker, 1);
    expect(taker.store.state.spentEpsilon).toBeNull();
    expect(taker.contribution(1)).toMatchObject({ outcome: 'accepted', spentEpsilon: null });
    expect(await taker.ledger.entries()).toMatchObject([{ event: { type: 'non-private' } }]);
  });

  test('counts a release without protection in the ledger as endless, whatever the plan says now', async () => {
    bench = await TestBench.open();
    const taker = await bench.enter({ ledger: await ledgerWith([{ type: 'non-private' }]) });
    expect(taker.store.state.spentEpsilon).toBe(Infinity);
    await expectReading(taker, 2, 'epsilon-limit');
  });
});

describe('the limit of rounds', () => {
  test('ends training after so many rounds, whatever they cost', async () => {
    bench = await TestBench.open();
    const taker = await bench.join({ limits: { mostRounds: 2 } });
    await contribute(taker, 4);
    bench.server.startRound(5);
    (await taker.training(2)).finish();
    await taker.settled(5, 'accepted');
    await expectReading(taker, 3, 'most-rounds');
  });

  test('gives up the round in work when it is reached meanwhile: the server brought rounds back', async () => {
    bench = await TestBench.open();
    const { server } = bench;
    const taker = await bench.join({ limits: { mostRounds: 2 } });
    await contribute(taker, 1);
    server.startRound(2);
    const call = await taker.training(2);
    server.chargedRounds = [1, 3];
    server.breakConnections();
    await until(() => server.joins.length === 2, 'the second join');
    await taker.settled(3, 'restored');
    call.finish();
    await taker.settled(2, 'abandoned');
    expect((await taker.ledger.entries()).map(({ round }) => round)).toEqual([1, 3]);
    expect(server.updates.map(({ round }) => round)).toEqual([1]);
    await expectReading(taker, 4, 'most-rounds');
  });

  test('gives up the round in work also while what was brought back is still being priced', async () => {
    bench = await TestBench.open();
    const { server } = bench;
    const taker = await bench.join({ limits: { mostRounds: 2 } });
    server.startRound(1);
    const call = await taker.training();
    const held = Promise.withResolvers<void>();
    taker.trainer.beforePrice = () => held.promise;
    server.chargedRounds = [2, 3];
    server.breakConnections();
    await taker.settled(3, 'restored');
    call.finish();
    await taker.settled(1, 'abandoned');
    held.resolve();
    await taker.shows('reading');
    expect((await taker.ledger.entries()).map(({ round }) => round)).toEqual([2, 3]);
    expect(server.updates).toEqual([]);
  });

  test('counts late and refused updates: they were released', async () => {
    bench = await TestBench.open();
    const ledger = new ProbedLedger();
    for (const [round, outcome] of [
      [1, 'late'],
      [2, 'refused'],
    ] as const) {
      await ledger.add({ round, event: eventOf(1), payload: null, outcome });
    }
    const taker = await bench.enter({ ledger, limits: { mostRounds: 2 } });
    await expectReading(taker, 3, 'most-rounds');
  });
});

describe('what the ledger holds', () => {
  test('is priced by its own events, not by the noise of today', async () => {
    bench = await TestBench.open();
    const older = [eventOf(0.5), eventOf(2)];
    const taker = await bench.join({ ledger: await ledgerWith(older) });
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(composed(...older)));
    await until(() => taker.contribution(1)!.spentEpsilon !== null, 'the price of round 1');
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
    const taker = await bench.enter({
      ledger: await ledgerWith(older),
      limits: { epsilonLimit: (asToday + asItWas) / 2 },
    });
    await expectReading(taker, 3, 'epsilon-limit');
  });

  test('is shown at once, by a looser bound until the tight one is computed', async () => {
    bench = await TestBench.open();
    const taker = await bench.join();
    const shown = new Set<number | null>();
    taker.store.subscribe(() => shown.add(taker.store.state.spentEpsilon));
    bench.server.chargedRounds = [1, 2];
    bench.server.breakConnections();
    await taker.settled(2, 'restored');
    await taker.shows('waiting');
    const event: DpEvent = { type: 'composed', events: [eventOf(1), eventOf(1)] };
    const { epsilon, rdpEpsilon } = reportedEpsilon(event, DELTA);
    expect(rdpEpsilon).toBeGreaterThan(1.02 * epsilon);
    expect([...shown]).toEqual([0, roundEpsilonUp(rdpEpsilon), roundEpsilonUp(epsilon)]);
  });

  test('says why its price is not the tight one', async () => {
    const noiseMultiplier = 0.05; // less than the tight accountant takes
    bench = await TestBench.open({ privacy: { unit: 'example', noiseMultiplier, targetDelta: DELTA } });
    const taker = await bench.join();
    expect(taker.store.state.accountingNote).toBeNull();
    await contribute(taker, 1);
    expect(taker.store.state.accountingNote).toMatch(/^Rényi accounting/);
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

describe("rounds that the server's copy charges and the ledger does not", () => {
  test('count as released, and are neither computed nor sent again', async () => {
    bench = await TestBench.open();
    bench.server.chargedRounds = [1, 2];
    const taker = await bench.join();
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(composed(eventOf(1), eventOf(1))));
    expect(await taker.ledger.entries()).toEqual([
      { round: 1, event: eventOf(1), outcome: 'restored', payload: null },
      { round: 2, event: eventOf(1), outcome: 'restored', payload: null },
    ]);
    await until(() => taker.contribution(2)?.spentEpsilon !== null, 'the price of round 2');
    expect(taker.contribution(2)).toMatchObject({
      outcome: 'restored',
      spentEpsilon: taker.store.state.spentEpsilon,
    });
    bench.server.startRound(2, 2);
    await quiet();
    expect(taker.trainer.calls).toEqual([]);
    expect(bench.server.updates).toEqual([]);
  });

  test('are added to those of the ledger: the larger of both counts', async () => {
    bench = await TestBench.open();
    bench.server.chargedRounds = [2, 3];
    const taker = await bench.join({ ledger: await ledgerWith([eventOf(0.5), eventOf(0.5)]) });
    expect(bench.server.joins[0]!.chargedRounds).toEqual([1, 2]);
    expect(taker.store.state.spentEpsilon).toBe(
      roundEpsilonUp(composed(eventOf(0.5), eventOf(0.5), eventOf(1))),
    );
    expect((await taker.ledger.entries()).map(({ round, outcome }) => [round, outcome])).toEqual([
      [1, 'accepted'],
      [2, 'accepted'],
      [3, 'restored'],
    ]);
  });

  test('are all written before a round is admitted that starts while they are', async () => {
    bench = await TestBench.open();
    const { server } = bench;
    server.chargedRounds = [1, 2];
    const ledger = new ProbedLedger();
    const held = Promise.withResolvers<void>();
    ledger.beforeWrite = ({ round }) => (round === 2 ? held.promise : undefined);
    const limit = composed(eventOf(1), eventOf(1));
    const taker = await bench.enter({ ledger, limits: { epsilonLimit: limit } });
    await until(() => server.joins.length === 1, 'the join');
    await quiet();
    server.startRound(3);
    await quiet();
    expect(taker.trainer.calls).toEqual([]);
    held.resolve();
    await expectReading(taker, 4, 'epsilon-limit');
    expect(taker.trainer.calls).toEqual([]);
  });

  test('count before a round is admitted that starts right after joining', async () => {
    bench = await TestBench.open();
    const { server } = bench;
    server.chargedRounds = [1, 2];
    server.afterJoin = () => server.startRound(3);
    const ledger = new ProbedLedger();
    const held = Promise.withResolvers<void>();
    // A slow disk
    ledger.beforeSaveIdentity = ({ contributorId }) => (contributorId ? held.promise : undefined);
    const limit = composed(eventOf(1), eventOf(1));
    const taker = await bench.enter({ ledger, limits: { epsilonLimit: limit } });
    await quiet();
    expect(taker.trainer.calls).toEqual([]);
    held.resolve();
    await expectReading(taker, 4, 'epsilon-limit');
    expect(taker.trainer.calls).toEqual([]);
  });

  test('that the plan does not have end it: this is no copy of her ledger', async () => {
    bench = await TestBench.open();
    bench.server.chargedRounds = [1, 6];
    const taker = await bench.enter();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'refused',
      message: expect.stringMatching(/charges round 6 of a run of 5 rounds/) as string,
    });
    expect(await taker.ledger.entries()).toEqual([]);
  });

  test('a write of them that fails ends it before anything is trained', async () => {
    bench = await TestBench.open();
    bench.server.chargedRounds = [1];
    bench.server.afterJoin = () => bench.server.startRound(2);
    const ledger = new ProbedLedger();
    ledger.beforeWrite = () => {
      throw new ChoraleError('LEDGER_UNAVAILABLE', 'the disk is full');
    };
    const taker = await bench.enter({ ledger });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'device-error', message: 'the disk is full' });
    expect(taker.trainer.calls).toEqual([]);
  });
});

const IDENTITY = (planHash: string) => ({
  contributorId: 'contributor1',
  token: 'a-token-of-this-contributor',
  planHash,
});

describe('a name without a ledger', () => {
  test('comes from the backup, and the rounds from the server', async () => {
    bench = await TestBench.open();
    bench.server.chargedRounds = [1];
    const identityBackup = new ProbedBackup();
    identityBackup.kept = IDENTITY(bench.server.run.run.planHash);
    const taker = await bench.join({ identityBackup });
    const { contributorId, token } = identityBackup.kept;
    expect(bench.server.handshakes[0]).toMatchObject({ identity: { contributorId, token } });
    expect(bench.server.joins[0]).toMatchObject({ chargedRounds: [] });
    expect(await taker.ledger.identity()).toMatchObject({
      contributorId: 'contributor1',
      planHash: bench.server.run.run.planHash,
    });
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(composed(eventOf(1))));
  });

  test('is kept in the backup once the server has given it, and the ledger needs no backup', async () => {
    bench = await TestBench.open();
    const identityBackup = new ProbedBackup();
    const taker = await bench.join({ identityBackup });
    expect(bench.server.handshakes[0]!.identity).toBeUndefined();
    expect(identityBackup.kept).toEqual(IDENTITY(bench.server.run.run.planHash));
    bench.server.breakConnections();
    await until(() => bench.server.joins.length === 2, 'the second join');
    await taker.shows('waiting');
    expect(identityBackup.saves).toBe(1);
    await bench.close(taker);
    await bench.join({ identityBackup, ledger: taker.ledger });
    expect(identityBackup.reads).toBe(1);
  });

  test('that cannot be asked for is no new name: joining waits until it was', async () => {
    bench = await TestBench.open();
    bench.server.chargedRounds = [1];
    const identityBackup = new ProbedBackup();
    identityBackup.kept = IDENTITY(bench.server.run.run.planHash);
    identityBackup.beforeAnswer = () => {
      if (identityBackup.reads === 1) throw new ChoraleError('DISCONNECTED', 'status 503');
    };
    const taker = await bench.enter({ identityBackup });
    await taker.shows('disconnected');
    expect(bench.server.joins).toEqual([]);
    await taker.shows('waiting');
    expect(bench.server.handshakes.map(({ identity }) => identity?.contributorId)).toEqual(['contributor1']);
    expect(taker.store.state.spentEpsilon).toBe(roundEpsilonUp(composed(eventOf(1))));
  });

  test('that could not be kept in the backup is kept there at the next connection', async () => {
    bench = await TestBench.open();
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const identityBackup = new ProbedBackup();
    identityBackup.beforeAnswer = () => {
      if (identityBackup.saves === 1) throw new ChoraleError('DISCONNECTED', 'status 503');
    };
    const taker = await bench.join({ identityBackup });
    expect([identityBackup.saves, identityBackup.kept]).toEqual([1, null]);
    bench.server.breakConnections();
    await until(() => identityBackup.kept !== null, 'the backup');
    await taker.shows('waiting');
    expect(identityBackup).toMatchObject({ saves: 2, kept: { contributorId: 'contributor1' } });
  });

  test('of another plan is refused, in the words of a kept one, and reprices nothing', async () => {
    bench = await TestBench.open();
    const identityBackup = new ProbedBackup();
    const before = await bench.join({ identityBackup });
    await contribute(before, 1);
    await bench.close(before);
    // The same run, with thirty times the noise from now on, and the storage of the tab is lost
    bench.server.run = await publicRun({
      privacy: { unit: 'example', noiseMultiplier: 30, targetDelta: DELTA },
    });
    bench.server.chargedRounds = [1];
    const taker = await bench.enter({ identityBackup });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'refused',
      message: expect.stringMatching(
        /not the one you agreed to: its plan has changed\. Nothing more is sent/,
      ) as string,
    });
    expect(bench.server.joins).toHaveLength(1);
    expect(await taker.ledger.entries()).toEqual([]);
  });
});
