import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeConditions } from './testing/fakeConditions.ts';
import { quiet, until } from './testing/scriptedServer.ts';
import { TestBench } from './testing/takePart.ts';

let bench: TestBench;
let conditions: FakeConditions;
beforeEach(async () => {
  bench = await TestBench.open();
  conditions = new FakeConditions();
});
afterEach(() => bench.clean());

const LOW = { level: 0.14, charging: false };
const BATTERY_PAUSE = {
  status: 'paused',
  by: 'battery',
  reason: 'this device is on battery at 14 %; it goes on when it charges',
};
const told = (...availabilities: string[]) =>
  until(
    () => JSON.stringify(bench.server.availabilities) === JSON.stringify(availabilities),
    `${availabilities.join(', ')}; got ${bench.server.availabilities.join(', ')}`,
  );

test('a battery that runs low gives the round up, releases nothing of it and says why; charging goes on by itself', async () => {
  const { server } = bench;
  const taker = await bench.join({ conditions });
  server.startRound(1);
  await taker.training();
  conditions.change({ battery: LOW });
  expect(taker.participation).toEqual(BATTERY_PAUSE);
  await taker.settled(1, 'abandoned');
  await told('paused');
  server.startRound(1);
  await quiet();
  expect([taker.trainer.calls.length, taker.trainer.cancels, server.updates.length]).toEqual([1, 1, 0]);
  expect(await taker.ledger.entries()).toEqual([]);

  conditions.change({ battery: { level: 0.14, charging: true } });
  expect(taker.participation.status).toBe('waiting');
  await told('paused', 'available');
  server.startRound(1);
  (await taker.training(2)).finish();
  await taker.settled(1, 'accepted');
});

test('the reason follows the battery without telling the server again', async () => {
  const taker = await bench.join({ conditions });
  conditions.change({ battery: LOW });
  await told('paused');
  conditions.change({ battery: { level: 0.11, charging: false } });
  expect(taker.participation).toMatchObject({
    by: 'battery',
    reason: expect.stringContaining('11 %') as string,
  });
  await quiet();
  await told('paused');
  expect(taker.trainer.cancels).toBe(1);
});

test('a condition that holds from the start: she joins paused, and nothing is computed', async () => {
  const { server } = bench;
  conditions.reading = { ...conditions.reading, metered: 'cellular' };
  const taker = await bench.enter({ conditions });
  await until(() => taker.joins === 1, 'the join');
  expect(server.joins[0]).toMatchObject({ availability: 'paused' });
  await taker.shows('paused');
  expect(taker.participation).toMatchObject({ by: 'metered' });
  server.startRound(1);
  await quiet();
  expect(taker.trainer.calls).toEqual([]);
});

test('"go on anyway" takes part at once', async () => {
  const { server } = bench;
  const taker = await bench.join({ conditions });
  conditions.change({ battery: LOW });
  taker.conditions!.goOn();
  expect(taker.participation.status).toBe('waiting');
  await told('paused', 'available');
  server.startRound(1);
  (await taker.training()).finish();
  await taker.settled(1, 'accepted');
});

test('a pause of hers stays hers when a condition comes and goes', async () => {
  const taker = await bench.join({ conditions });
  taker.loop.pause();
  conditions.change({ battery: LOW });
  expect(taker.participation).toMatchObject({ status: 'paused', by: 'you' });
  conditions.change({ battery: { level: 0.5, charging: true } });
  expect(taker.participation).toMatchObject({ status: 'paused', by: 'you' });
  taker.loop.resume();
  expect(taker.participation.status).toBe('waiting');
});

test('what she resumes stays paused by the condition that still holds', async () => {
  const taker = await bench.join({ conditions });
  taker.loop.pause();
  conditions.change({ battery: LOW });
  taker.loop.resume();
  expect(taker.participation).toEqual(BATTERY_PAUSE);
  await quiet();
  expect(new Set(bench.server.availabilities)).toEqual(new Set(['paused']));
});

test('an update that was computed already is still delivered', async () => {
  const { server } = bench;
  const taker = await bench.join({ conditions });
  taker.trainer.onCancel = 'go-on';
  server.startRound(1);
  const call = await taker.training();
  conditions.change({ battery: LOW });
  const bytes = call.finish();
  await taker.settled(1, 'accepted');
  expect(server.updates).toEqual([{ round: 1, bytes }]);
  expect(taker.participation).toEqual(BATTERY_PAUSE);
});

test('a limit that is reached is told rather than the battery', async () => {
  const taker = await bench.join({ conditions, limits: { mostRounds: 1 } });
  bench.server.startRound(1);
  (await taker.training()).finish();
  await taker.shows('reading');
  conditions.change({ battery: LOW });
  expect(taker.participation.status).toBe('reading');
});
