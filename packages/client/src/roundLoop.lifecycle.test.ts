import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import { quiet, until } from './testing/scriptedServer.ts';
import { ProbedLedger, TestBench } from './testing/takePart.ts';

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.open();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await bench.clean();
});

describe('pause', () => {
  test('gives the round up, releases nothing of it and says so; resume is offered it again', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    await taker.training();
    taker.loop.pause();
    expect(taker.participation).toMatchObject({ status: 'paused' });
    await taker.settled(1, 'abandoned');
    await until(() => server.availabilities.length === 1, 'the availability');
    expect(server.availabilities).toEqual(['paused']);
    server.startRound(2); // a server that does not listen
    await quiet();
    expect(taker.trainer).toMatchObject({ cancels: 1, calls: { length: 1 } });
    expect(server.updates).toEqual([]);
    expect(await taker.ledger.entries()).toEqual([]);
    expect(taker.store.state.spentEpsilon).toBe(0);
    expect(taker.participation).toMatchObject({ status: 'paused' });

    taker.loop.resume();
    await until(() => server.availabilities.length === 2, 'the availability');
    expect(server.availabilities).toEqual(['paused', 'available']);
    expect(taker.participation.status).toBe('waiting');
    server.startRound(1);
    const bytes = (await taker.training(2)).finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
  });

  test('and resume at once: the round is computed anew after its present step', async () => {
    const { server } = bench;
    const taker = await bench.join();
    taker.trainer.onCancel = 'go-on';
    server.startRound(1);
    const first = await taker.training();
    taker.loop.pause();
    taker.loop.resume();
    await until(() => server.availabilities.length === 2, 'both availabilities');
    server.startRound(1); // as the server does when somebody it waits for is back
    await quiet();
    expect(taker.trainer.calls).toHaveLength(1);
    first.fail(new DOMException('given up', 'AbortError'));
    const bytes = (await taker.training(2)).finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
    expect(await taker.ledger.entries()).toHaveLength(1);
  });

  test('an update that was computed already is still delivered, and no other one follows', async () => {
    const { server } = bench;
    const taker = await bench.join();
    taker.trainer.onCancel = 'go-on';
    server.startRound(1);
    const call = await taker.training();
    taker.loop.pause();
    const bytes = call.finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
    expect(taker.participation.status).toBe('paused');
    taker.loop.resume();
    server.startRound(1);
    await quiet();
    expect(taker.trainer.calls).toHaveLength(1);
  });

  test('lasts over a reconnection', async () => {
    const { server } = bench;
    const taker = await bench.join();
    taker.loop.pause();
    await until(() => server.availabilities.length === 1, 'the availability');
    server.breakConnections();
    await until(() => server.availabilities.length === 2, 'the availability on the new connection');
    expect(server.joins).toHaveLength(2);
    expect(server.availabilities).toEqual(['paused', 'paused']);
    expect(server.joins[1]).toMatchObject({ availability: 'paused' });
    expect(taker.participation.status).toBe('paused');
  });
});

describe('the end of a round', () => {
  test('while it is computed gives it up: it costs nothing, and the next one is taken', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    await taker.training();
    server.endRound(1);
    await taker.settled(1, 'abandoned');
    expect(taker.contribution(1)!.spentEpsilon).toBe(0);
    expect(taker.store.state.spentEpsilon).toBe(0);
    expect(await taker.ledger.entries()).toEqual([]);
    expect(server.updates).toEqual([]);
    await taker.shows('waiting');
    server.startRound(2);
    (await taker.training(2)).finish();
    await taker.settled(2, 'accepted');
  });

  test('of another round changes nothing', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(2);
    const call = await taker.training();
    server.endRound(1);
    await quiet();
    expect(taker.trainer.cancels).toBe(0);
    call.finish();
    await taker.settled(2, 'accepted');
  });
});

describe('the end of taking part', () => {
  test('stop leaves, gives the round up and is for good', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    await taker.training();
    await taker.loop.stop();
    expect(taker.participation).toMatchObject({ status: 'stopped', because: 'withdrawn' });
    expect(server.leaves).toBe(1);
    await until(() => server.connections === 0, 'the connection to close');
    await taker.settled(1, 'abandoned');
    expect(server.updates).toEqual([]);
    await taker.loop.stop();
    taker.loop.resume();
    taker.loop.fail('later');
    expect(taker.participation).toMatchObject({ status: 'stopped', because: 'withdrawn' });
    expect([taker.endings, server.leaves]).toEqual([1, 1]);
  });

  test('stop begins no other round while the server has not answered', async () => {
    const { server } = bench;
    const taker = await bench.join();
    taker.trainer.onCancel = 'go-on';
    server.startRound(1);
    const call = await taker.training();
    server.endRound(1);
    server.startRound(2);
    await quiet();
    const stopped = taker.loop.stop();
    server.startRound(3);
    call.fail(new DOMException('given up', 'AbortError'));
    await stopped;
    await quiet();
    expect(taker.trainer.calls).toHaveLength(1);
    expect(server.updates).toEqual([]);
  });

  test('stop lets nothing out that was ready and only waited for its tick; it counts all the same', async () => {
    const { server } = bench;
    const taker = await bench.join({ sendTickMs: 500 });
    const held = Promise.withResolvers<void>();
    server.beforeLeave = () => held.promise;
    server.startRound(1);
    (await taker.training()).finish();
    await until(() => taker.store.state.spentEpsilon! > 0, 'the charge');
    const { spentEpsilon } = taker.contribution(1)!;
    const stopped = taker.loop.stop();
    await until(() => server.leaves === 1, 'the leave');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(server.updates).toEqual([]);
    held.resolve();
    await stopped;
    expect(taker.contribution(1)).toMatchObject({ outcome: 'unsent', spentEpsilon });
    expect(taker.store.state.spentEpsilon).toBe(spentEpsilon);
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'pending' }]);
    expect(server.updates).toEqual([]);
  });

  test('the end of the run while an update waits for its tick: it was not sent, and counts once', async () => {
    const { server } = bench;
    const taker = await bench.join({ sendTickMs: 500 });
    server.startRound(1);
    (await taker.training()).finish();
    await until(() => taker.store.state.spentEpsilon! > 0, 'the charge');
    server.sendState({ status: 'stopped', reason: 'the reason' });
    await taker.shows('stopped');
    const { spentEpsilon } = taker.store.state;
    expect(taker.contribution(1)).toMatchObject({ outcome: 'unsent', spentEpsilon });
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(taker.contribution(1)).toMatchObject({ outcome: 'unsent', spentEpsilon });
    expect(server.updates).toEqual([]);
  });

  test('the end of the run while the entry is written: it counts, and is shown so', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const taker = await bench.join({ ledger });
    const held = Promise.withResolvers<void>();
    let writing = false;
    ledger.beforeWrite = () => {
      writing = true;
      return held.promise;
    };
    server.startRound(1);
    (await taker.training()).finish();
    await until(() => writing, 'the write');
    server.sendState({ status: 'completed' });
    await taker.shows('stopped');
    held.resolve();
    await taker.settled(1, 'unsent');
    expect(taker.store.state.spentEpsilon).toBe(taker.contribution(1)!.spentEpsilon);
    expect(server.updates).toEqual([]);
  });

  test('stop releases nothing that is ready only after it', async () => {
    const { server } = bench;
    const taker = await bench.join();
    taker.trainer.onCancel = 'go-on';
    const held = Promise.withResolvers<void>();
    server.beforeLeave = () => held.promise;
    server.startRound(1);
    const call = await taker.training();
    const stopped = taker.loop.stop();
    await until(() => server.leaves === 1, 'the leave');
    call.finish();
    await taker.settled(1, 'abandoned');
    await quiet();
    held.resolve();
    await stopped;
    expect(server.updates).toEqual([]);
    expect(await taker.ledger.entries()).toEqual([]);
    expect(taker.participation).toMatchObject({ status: 'stopped', because: 'withdrawn' });
  });

  test.each([
    ['completed', 'run-completed'],
    ['stopped', 'run-stopped'],
    ['failed', 'run-stopped'],
  ] as const)('a run that is %s ends it, and nothing stays half done', async (status, because) => {
    const { server } = bench;
    const taker = await bench.join();
    taker.trainer.onCancel = 'go-on'; // a worker that is ended answers no more
    server.startRound(1);
    await taker.training();
    server.sendState({ status, reason: 'the reason' });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because });
    expect(taker.store.state.runState).toMatchObject({ status });
    expect(taker.outcome(1)).toBe('abandoned');
    expect(taker.contribution(1)!.spentEpsilon).toBe(0);
    expect(taker.endings).toBe(1);
  });

  test('a trainer that is gone ends it, and nothing stays half done', async () => {
    const taker = await bench.join();
    taker.trainer.onCancel = 'go-on';
    bench.server.startRound(1);
    await taker.training();
    taker.loop.fail('the worker died');
    expect(taker.participation).toMatchObject({ because: 'device-error', message: 'the worker died' });
    expect(taker.outcome(1)).toBe('abandoned');
  });

  test('a connection that the server closed on purpose is not opened again', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.replaceConnections();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'replaced' });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(server.joins).toHaveLength(1);
  });
});

describe('a trainer that released other than the plan says', () => {
  test.each([
    ['less noise', { noiseMultiplier: 0.5 }],
    ['more noise', { noiseMultiplier: 2 }],
    ['a larger sample', { samplingRate: 0.2 }],
  ])('%s: nothing of it leaves, and taking part ends', async (_, change) => {
    const { server } = bench;
    const taker = await bench.join();
    const { event } = taker.trainer;
    if (event.type !== 'self-composed') throw new Error('expected the event of so many steps');
    taker.trainer.event = { ...event, event: { ...event.event, ...change } as DpEvent };
    server.startRound(1);
    (await taker.training()).finish();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'refused',
      message: expect.stringMatching(/releases what the plan says.*Nothing more is sent/) as string,
    });
    await quiet();
    expect(server.updates).toEqual([]);
    expect(await taker.ledger.entries()).toEqual([]);
    expect(taker.outcome(1)).toBe('abandoned');
  });
});

describe('a trainer that is stuck', () => {
  test('ends it after the time without a step, and nothing leaves', async () => {
    const { server } = bench;
    const taker = await bench.join({ stepTimeoutMs: 400 });
    server.startRound(1);
    const call = await taker.training();
    for (let step = 1; step <= 3; step++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      call.step(step);
    }
    await until(
      () => taker.participation.status === 'training' && taker.participation.step === 3,
      'step 3, after a longer time than the limit',
    );
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'device-error',
      message: expect.stringMatching(/made no step in .* minutes.*Reload the page/) as string,
    });
    expect([taker.outcome(1), taker.endings]).toEqual(['abandoned', 1]);
    call.finish();
    await quiet();
    expect(server.updates).toEqual([]);
    expect(await taker.ledger.entries()).toEqual([]);
  });
});
