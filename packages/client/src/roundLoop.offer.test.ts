import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OfferAnswer, Result } from '@chorale/protocol';
import { ok, quiet, refusal, until } from './testing/scriptedServer.ts';
import { TestBench } from './testing/takePart.ts';

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.open();
});
afterEach(async () => {
  await bench.clean();
});

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('an update is offered before it is sent', () => {
  test('by its hash and size, once the ledger has it; its bytes wait for the answer', async () => {
    const { server } = bench;
    const answer = Promise.withResolvers<Result<OfferAnswer>>();
    server.answerOffer = () => answer.promise;
    const taker = await bench.join();
    const held = Promise.withResolvers<void>();
    taker.ledger.beforeWrite = () => held.promise;
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await quiet();
    expect(server.offers).toEqual([]);
    held.resolve();
    await until(() => server.offers.length === 1, 'the offer');
    expect(server.offers).toEqual([{ round: 1, sha256: sha256Of(bytes), payloadBytes: bytes.byteLength }]);
    await quiet();
    expect(server.updates).toEqual([]);
    expect(taker.participation.status).toBe('sending');
    answer.resolve(ok('send'));
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
  });

  test('and not sent when its bytes are stored already', async () => {
    const { server } = bench;
    server.answerOffer = () => ok('stored');
    const taker = await bench.join();
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([]);
    expect(await taker.ledger.entries()).toMatchObject([{ outcome: 'accepted', payload: null }]);
  });

  test.each([
    ['UPDATE_WRONG_ROUND', 'late'],
    ['UPDATE_NOT_IN_COHORT', 'late'],
    ['RUN_ENDED', 'late'],
    ['UPDATE_CONFLICT', 'refused'],
    ['UPDATE_SIZE', 'refused'],
  ] as const)('and not sent when it would be refused with %s: %s', async (code, outcome) => {
    const { server } = bench;
    server.answerOffer = () => refusal(code);
    const taker = await bench.join();
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, outcome);
    expect(server.updates).toEqual([]);
  });

  test('and offered again when its turn went by', async () => {
    const { server } = bench;
    server.answerUpdate = ({ round }) =>
      server.updates.length === 1 ? refusal('RATE_LIMITED') : ok({ round, duplicate: false });
    const taker = await bench.join();
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    expect(server.offers).toEqual([server.offers[0], server.offers[0]]);
    expect(server.updates).toEqual([
      { round: 1, bytes },
      { round: 1, bytes },
    ]);
  });

  test('and offered again on the next connection, when that of the offer broke', async () => {
    const { server } = bench;
    server.answerOffer = () => {
      if (server.offers.length > 1) return ok('send');
      server.breakConnections();
      return null;
    };
    const taker = await bench.join();
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, 'accepted');
    expect(server.offers).toHaveLength(2);
    expect(server.updates).toHaveLength(1);
  });

  test('and not sent when she stopped before the server had room for it', async () => {
    const { server } = bench;
    const answer = Promise.withResolvers<Result<OfferAnswer>>();
    const left = Promise.withResolvers<void>();
    server.answerOffer = () => answer.promise;
    server.beforeLeave = () => left.promise;
    const taker = await bench.join();
    server.startRound(1);
    (await taker.training()).finish();
    await until(() => server.offers.length === 1, 'the offer');
    const stopped = taker.loop.stop();
    answer.resolve(ok('send'));
    await quiet();
    left.resolve();
    await stopped;
    await quiet();
    expect(server.updates).toEqual([]);
  });

  test('one at a time', async () => {
    const { server } = bench;
    server.answerOffer = () => null;
    const before = await bench.join();
    server.startRound(1);
    (await before.training()).finish();
    await until(() => server.offers.length === 1, 'an offer without an answer');
    await bench.close(before);
    const answer = Promise.withResolvers<Result<OfferAnswer>>();
    server.answerOffer = ({ round }) => (round === 1 ? answer.promise : ok('send'));
    const taker = await bench.enter({ ledger: before.ledger });
    await until(() => server.offers.length === 2, 'the offer of the first update');
    server.startRound(2);
    (await taker.training()).finish();
    await until(() => taker.outcome(2) === 'sending', 'the second update');
    await quiet();
    expect(server.offers.map(({ round }) => round)).toEqual([1, 1]);
    answer.resolve(ok('send'));
    await taker.settled(2, 'accepted');
    expect(server.offers.map(({ round }) => round)).toEqual([1, 1, 2]);
    expect(server.updates.map(({ round }) => round)).toEqual([1, 2]);
  });
});
