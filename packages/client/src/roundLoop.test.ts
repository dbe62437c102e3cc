import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChoraleError, PROTOCOL_VERSION, decodeAdapter, decodeUpdate } from '@chorale/protocol';
import { ok, quiet, refusal, until } from './testing/scriptedServer.ts';
import { ProbedLedger, TestBench } from './testing/takePart.ts';

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.open();
});
afterEach(async () => {
  await bench.clean();
});

test('an update leaves on a tick, however early it is ready', async () => {
  const { server } = bench;
  const taker = await bench.join({ sendTickMs: 700 });
  const startedAtMs = performance.now();
  server.startRound(1);
  (await taker.training()).finish();
  await taker.settled(1, 'accepted');
  // The tab's round starts later than ours: nothing but the tick makes this true
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(700);
});

describe('a round', () => {
  test('is computed from the adapter that came, delivered, and kept without its bytes', async () => {
    const { server } = bench;
    const taker = await bench.join();
    const newToken = expect.stringMatching(/^[\w-]{43}$/) as string;
    expect(server.handshakes).toEqual([{ protocolVersion: PROTOCOL_VERSION, runId: 'run-1', newToken }]);
    expect(server.joins).toEqual([
      {
        planHash: server.run.run.planHash,
        basisHash: server.run.run.plan.basisHash,
        backend: 'cpu',
        availability: 'available',
        chargedRounds: [],
      },
    ]);
    server.startRound(1);
    const call = await taker.training();
    expect(call).toMatchObject({ round: 1, planHash: server.run.run.planHash });
    expect(decodeAdapter(call.adapter, server.binding)).toEqual({
      adapterVersion: 0,
      parameters: Float32Array.of(1, 1, 1, 1),
    });
    call.step(3);
    await until(
      () => taker.participation.status === 'training' && taker.participation.step === 3,
      'step 3 to show',
    );
    const bytes = call.finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
    expect(decodeUpdate(server.updates[0]!.bytes, server.binding).round).toBe(1);
    await taker.shows('waiting');
    // Steps come over a channel of their own, and the last of them may be late
    call.step(4);
    await quiet();
    expect(taker.participation.status).toBe('waiting');
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, payload: null, outcome: 'accepted' }]);
    expect(taker.shown.map(({ status }) => status)).toEqual(
      expect.arrayContaining(['training', 'sending', 'waiting']),
    );
    // The page's records are those of the server
    const record = {
      round: 1,
      attempt: 1,
      cohort: 1,
      received: 1,
      adapterVersion: 1,
      testAccuracy: 0.5,
      testLoss: 0.7,
      spentEpsilon: 1,
      localMetrics: null,
      uplinkBytes: 96,
      durationMs: 10,
    };
    server.send('round:record', { ...record, testAccuracy: null });
    server.send('round:record', { ...record, round: 0 });
    server.send('round:record', record);
    await until(() => taker.store.state.rounds.at(-1)?.testAccuracy === 0.5, 'the second record of round 1');
    expect(taker.store.state.rounds.map(({ round }) => round)).toEqual([0, 1]);
  });

  test('that starts while the last one is still being settled is not lost', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const taker = await bench.join({ ledger });
    server.startRound(1);
    const held = Promise.withResolvers<void>();
    ledger.beforeWrite = ({ outcome }) => (outcome === 'accepted' ? held.promise : undefined);
    (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    server.startRound(2);
    await quiet();
    expect(taker.trainer.calls).toHaveLength(1);
    held.resolve();
    expect((await taker.training(2)).round).toBe(2);
  });

  test('that ended while it waited behind another is not computed', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const taker = await bench.join({ ledger });
    server.startRound(1);
    const held = Promise.withResolvers<void>();
    ledger.beforeWrite = ({ outcome }) => (outcome === 'accepted' ? held.promise : undefined);
    (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    server.startRound(2);
    server.endRound(2, 'abandoned');
    await quiet();
    held.resolve();
    await taker.shows('waiting');
    await quiet();
    expect(taker.trainer.calls).toHaveLength(1);
  });

  test('that is offered twice is computed once', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    server.startRound(1);
    await quiet();
    expect(taker.trainer.calls).toHaveLength(1);
    expect(server.updates).toHaveLength(1);
  });
});

describe('the ledger comes first', () => {
  test('nothing is sent before the entry is written', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const taker = await bench.join({ ledger });
    const held = Promise.withResolvers<void>();
    let written: string | null = null;
    ledger.beforeWrite = async (entry) => {
      if (entry.outcome !== 'pending') return;
      written = entry.outcome;
      await held.promise;
    };
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await until(() => written === 'pending', 'the write');
    await quiet();
    expect(server.updates).toEqual([]);
    held.resolve();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
  });

  test('at the moment the bytes arrive the ledger holds the same bytes and their price', async () => {
    const { server } = bench;
    const taker = await bench.join();
    const atArrival: ReturnType<typeof taker.ledger.entries>[] = [];
    server.answerUpdate = ({ round }) => {
      atArrival.push(taker.ledger.entries());
      return ok({ round, duplicate: false });
    };
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    const event = {
      type: 'self-composed',
      event: { type: 'poisson-sampled-gaussian', samplingRate: 0.1, noiseMultiplier: 1 },
      count: 4,
    };
    expect(await atArrival[0]).toMatchObject([{ round: 1, event, outcome: 'pending', payload: bytes }]);
  });

  test('a write that fails sends nothing and ends taking part', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const taker = await bench.join({ ledger });
    ledger.beforeWrite = () => {
      throw new ChoraleError('LEDGER_UNAVAILABLE', 'the disk is full');
    };
    server.startRound(1);
    (await taker.training()).finish();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'device-error', message: 'the disk is full' });
    await quiet();
    expect(server.updates).toEqual([]);
    expect(taker.outcome(1)).toBe('abandoned');
    expect(taker.endings).toBe(1);
  });

  test('a write that fails after the server took the update does not show it as refused', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const taker = await bench.join({ ledger });
    ledger.beforeWrite = ({ outcome }) => {
      if (outcome !== 'pending') throw new ChoraleError('LEDGER_UNAVAILABLE', 'the disk is full');
    };
    server.startRound(1);
    (await taker.training()).finish();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'device-error' });
    expect(taker.outcome(1)).toBe('accepted');
    // Still pending on the disk: the next page asks again and hears that it is a duplicate
    expect(await ledger.entries()).toMatchObject([{ round: 1, outcome: 'pending' }]);
  });
});

describe('the same bytes again, never new ones', () => {
  test('after an acknowledgement that got lost', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.answerUpdate = ({ round }) => {
      if (server.updates.length > 1) return ok({ round, duplicate: true });
      server.breakConnections();
      return null;
    };
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([
      { round: 1, bytes },
      { round: 1, bytes },
    ]);
    expect(server.joins).toHaveLength(2);
    expect(server.handshakes[1]!.identity).toEqual({
      contributorId: 'contributor1',
      token: 'a-token-of-this-contributor',
    });
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'accepted' }]);
    expect(taker.trainer.calls).toHaveLength(1);
  });

  test('after an error that may pass', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.answerUpdate = ({ round }) =>
      server.updates.length === 1 ? refusal('STORE_ERROR') : ok({ round, duplicate: false });
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([
      { round: 1, bytes },
      { round: 1, bytes },
    ]);
  });

  test('for the next attempt of a round that was too late; it costs once', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.answerUpdate = () => refusal('UPDATE_WRONG_ROUND');
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await taker.settled(1, 'late');
    await taker.shows('waiting');
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'late', payload: bytes }]);
    const spent = taker.store.state.spentEpsilon;
    server.answerUpdate = ({ round }) => ok({ round, duplicate: false });
    server.startRound(1, 2);
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([
      { round: 1, bytes },
      { round: 1, bytes },
    ]);
    expect(taker.trainer.calls).toHaveLength(1);
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'accepted', payload: null }]);
    expect(taker.store.state.spentEpsilon).toBe(spent);
  });

  test('for an attempt that starts while the last answer is still being settled', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const taker = await bench.join({ ledger });
    const held = Promise.withResolvers<void>();
    ledger.beforeWrite = ({ outcome }) => (outcome === 'late' ? held.promise : undefined);
    server.answerUpdate = () => refusal('UPDATE_WRONG_ROUND');
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await taker.settled(1, 'late');
    server.endRound(1, 'abandoned');
    server.startRound(1, 2);
    await quiet();
    server.answerUpdate = ({ round }) => ok({ round, duplicate: false });
    held.resolve();
    await taker.settled(1, 'accepted');
    expect(server.updates.map((update) => update.bytes)).toEqual([bytes, bytes]);
    expect(taker.trainer.calls).toHaveLength(1);
  });

  test('an update that was refused is neither sent nor computed again', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.answerUpdate = () => refusal('UPDATE_NOT_FINITE');
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, 'refused');
    await taker.shows('waiting');
    server.startRound(1, 2);
    await quiet();
    expect(server.updates).toHaveLength(1);
    expect(taker.trainer.calls).toHaveLength(1);
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'refused', payload: null }]);
    // It was released all the same
    expect(taker.store.state.spentEpsilon).toBeGreaterThan(0);
  });
});

describe('after a reload', () => {
  test('an update without an answer is sent again, by the same contributor', async () => {
    const { server } = bench;
    const before = await bench.join();
    server.answerUpdate = () => null;
    server.startRound(1);
    const bytes = (await before.training()).finish();
    await until(() => server.updates.length === 1, 'the update');
    await bench.close(before);

    server.answerUpdate = ({ round }) => ok({ round, duplicate: true });
    const after = await bench.enter({ ledger: before.ledger });
    expect(after.contribution(1)).toMatchObject({ outcome: 'sending', payloadBytes: 88 + 16 });
    expect(after.store.state.spentEpsilon).toBe(before.store.state.spentEpsilon);
    await after.settled(1, 'accepted');
    expect(server.updates).toEqual([
      { round: 1, bytes },
      { round: 1, bytes },
    ]);
    expect(server.handshakes[1]!.identity).toMatchObject({ contributorId: 'contributor1' });
    expect(after.trainer.calls).toEqual([]);
    expect(await after.ledger.entries()).toMatchObject([{ round: 1, outcome: 'accepted', payload: null }]);
  });

  test('an update is sent once, also when its round is offered while it is on its way', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const payload = Uint8Array.of(1, 2, 3);
    await ledger.add({ round: 1, event: { type: 'non-private' }, payload, outcome: 'pending' });
    server.answerUpdate = () => null;
    await bench.enter({ ledger });
    await until(() => server.updates.length === 1, 'the update');
    server.startRound(1);
    await quiet();
    expect(server.updates).toHaveLength(1);
  });

  test('rounds in the ledger are not computed again: a late one is sent again, an accepted one not', async () => {
    const { server } = bench;
    const before = await bench.join();
    server.startRound(1);
    (await before.training()).finish();
    await before.settled(1, 'accepted');
    await before.shows('waiting');
    server.answerUpdate = () => refusal('UPDATE_NOT_IN_COHORT');
    server.startRound(2);
    const late = (await before.training(2)).finish();
    await before.settled(2, 'late');
    await bench.close(before);

    server.answerUpdate = ({ round }) => ok({ round, duplicate: false });
    const after = await bench.join({ ledger: before.ledger });
    expect(after.store.state.contributions.map(({ outcome }) => outcome)).toEqual(['accepted', 'late']);
    await quiet();
    expect(server.updates).toHaveLength(2);
    server.startRound(1, 2);
    server.startRound(2, 2);
    await after.settled(2, 'accepted');
    await quiet();
    expect(server.updates.slice(2)).toEqual([{ round: 2, bytes: late }]);
    expect(after.trainer.calls).toEqual([]);
  });
});
