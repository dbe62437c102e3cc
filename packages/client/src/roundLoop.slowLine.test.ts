import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { UpdateReceipt } from '@chorale/protocol';
import type { Participation } from './state.ts';
import { ok, quiet, refusal, until } from './testing/scriptedServer.ts';
import type { Taker } from './testing/takePart.ts';
import { TestBench } from './testing/takePart.ts';

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.open();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await bench.clean();
});

/** Every delay is as long as its bound. */
function drawLargest(): void {
  vi.spyOn(crypto, 'getRandomValues').mockImplementation((array) => {
    new Uint8Array((array as Uint8Array).buffer).fill(0xff);
    return array;
  });
}

const sendings = (taker: Taker) =>
  taker.shown.filter((one): one is Participation & { status: 'sending' } => one.status === 'sending');

describe('an update that the server does not take now', () => {
  test('is offered again after delays that grow, and the page says why it waits', async () => {
    const { server } = bench;
    const taker = await bench.join();
    const offeredAtMs: number[] = [];
    server.answerOffer = () => {
      offeredAtMs.push(performance.now());
      return offeredAtMs.length < 4 ? refusal('STORE_FULL', 'no room') : ok('send');
    };
    drawLargest();
    server.startRound(1);
    (await taker.training()).finish();
    await taker.shows('sending');
    expect(sendings(taker)[0]).toMatchObject({ round: 1, trouble: null });
    await until(() => offeredAtMs.length === 2, 'the second offer');
    expect(taker.participation).toMatchObject({
      status: 'sending',
      round: 1,
      trouble: { code: 'STORE_FULL', message: 'no room' },
    });
    await taker.settled(1, 'accepted');
    const delays = offeredAtMs.slice(1).map((atMs, i) => atMs - offeredAtMs[i]!);
    for (const [i, bound] of [1_000, 2_000, 4_000].entries()) {
      expect(delays[i]).toBeGreaterThan(bound * 0.95);
      expect(delays[i]).toBeLessThan(bound * 1.75);
    }
    await taker.shows('waiting');
  });
});

describe('a page that is looked at again', () => {
  test('asks whether its connection lives, but not behind the bytes of an update', async () => {
    const { server } = bench;
    const taker = await bench.join();
    const answer = Promise.withResolvers<UpdateReceipt>();
    const { answerUpdate } = server;
    server.answerUpdate = (update) => {
      answer.resolve({ round: update.round, duplicate: false });
      return null;
    };
    server.startRound(1);
    (await taker.training()).finish();
    await answer.promise;
    const before = server.availabilities.length;
    taker.wake('looked-at');
    await quiet();
    expect(server.availabilities).toHaveLength(before);
    expect([server.joins.length, server.updates.length]).toEqual([1, 1]);
    // The answer is lost with the connection; on the next one nothing is on its way any more
    server.answerUpdate = answerUpdate;
    server.breakConnections();
    await taker.settled(1, 'accepted');
    taker.wake('looked-at');
    await until(() => server.availabilities.length === before + 1, 'the question');
  });
});
