import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { quiet, until } from './testing/scriptedServer.ts';
import { TestBench } from './testing/takePart.ts';

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.open();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await bench.clean();
});

const lost = () => new ChoraleError('DEVICE_ERROR', 'The graphics device was lost: driver reset');

/** A contributor whose device has just failed in round 1. */
async function failing() {
  const { server } = bench;
  const taker = await bench.join();
  server.startRound(1);
  (await taker.training()).fail(lost());
  await until(() => taker.trainer.recoveries.length === 1, 'the device to be opened again');
  return { server, taker, recovery: taker.trainer.recoveries[0]! };
}

test('a device that fails sends nothing and costs nothing; nobody waits for it; then contributing goes on', async () => {
  const { server, taker, recovery } = await failing();
  expect(taker.participation).toEqual({
    status: 'recovering',
    reason: 'The graphics device was lost: driver reset',
  });
  expect(taker.outcome(1)).toBe('abandoned');
  await until(() => server.availabilities.length === 1, 'the availability');
  expect(server.availabilities).toEqual(['paused']);
  await quiet();
  expect(server.updates).toEqual([]);
  expect(await taker.ledger.entries()).toEqual([]);
  expect(taker.store.state.spentEpsilon).toBe(0);

  recovery.finish();
  await taker.shows('waiting');
  await until(() => server.availabilities.length === 2, 'the availability');
  expect(server.availabilities).toEqual(['paused', 'available']);
  server.startRound(2);
  const bytes = (await taker.training(2)).finish();
  await taker.settled(2, 'accepted');
  expect(server.updates).toEqual([{ round: 2, bytes }]);
  expect((await taker.ledger.entries()).map(({ round }) => round)).toEqual([2]);
});

test('the same round, offered again while the device is being opened, is computed anew on it', async () => {
  const { server, taker, recovery } = await failing();
  server.startRound(1, 2);
  await quiet();
  expect(taker.trainer.calls).toHaveLength(1);
  recovery.finish();
  const bytes = (await taker.training(2)).finish();
  await taker.settled(1, 'accepted');
  expect(server.updates).toEqual([{ round: 1, bytes }]);
});

test('no backend is left: taking part ends with what to do, and nothing was sent', async () => {
  const { server, taker, recovery } = await failing();
  recovery.fail(new ChoraleError('DEVICE_UNSUPPORTED', 'This device offers no backend that can train.'));
  await taker.shows('stopped');
  expect(taker.participation).toMatchObject({
    because: 'device-error',
    message: 'This device offers no backend that can train.',
  });
  await quiet();
  expect(server.updates).toEqual([]);
  expect(await taker.ledger.entries()).toEqual([]);
  expect(taker.endings).toBe(1);
});

test('paused and resumed meanwhile: it is offered again only when the device is there', async () => {
  const { server, taker, recovery } = await failing();
  taker.loop.pause();
  expect(taker.participation.status).toBe('paused');
  taker.loop.resume();
  expect(taker.participation.status).toBe('recovering');
  await until(() => server.availabilities.length === 3, 'the availabilities');
  expect(server.availabilities).toEqual(['paused', 'paused', 'paused']);
  recovery.finish();
  await taker.shows('waiting');
  await until(() => server.availabilities.length === 4, 'the availability');
  expect(server.availabilities.at(-1)).toBe('available');
});

test('the connection is lost meanwhile: after coming back it stays away until the device is there', async () => {
  const { server, taker, recovery } = await failing();
  server.breakConnections();
  await until(() => server.joins.length === 2, 'the second join');
  expect(server.joins[1]).toMatchObject({ availability: 'paused' });
  recovery.finish();
  await until(() => server.availabilities.at(-1) === 'available', 'the availability');
  await taker.shows('waiting');
});

test('a device that cannot even be opened again in time is stuck', async () => {
  const { server } = bench;
  const taker = await bench.join({ stepTimeoutMs: 200 });
  server.startRound(1);
  (await taker.training()).fail(lost());
  await taker.shows('stopped');
  expect(taker.participation).toMatchObject({
    because: 'device-error',
    message: expect.stringMatching(/made no step/) as string,
  });
});

test('a worker that answers no more is not asked to open its device again', async () => {
  const { server } = bench;
  const taker = await bench.join({ stepTimeoutMs: 200 });
  server.startRound(1);
  await taker.training(); // and it never ends
  await taker.shows('stopped');
  expect(taker.participation).toMatchObject({ because: 'device-error' });
  expect(taker.trainer.recoveries).toEqual([]);
});
