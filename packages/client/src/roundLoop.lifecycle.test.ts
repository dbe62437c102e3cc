import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import { ChoraleError } from '@chorale/protocol';
import { ok, quiet, refusal, until } from './testing/scriptedServer.ts';
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
    expect(taker.participation).toMatchObject({ because: 'refused' });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(server.joins).toHaveLength(1);
  });
});

describe('joining', () => {
  test('a plan other than the one agreed to before is refused, and nothing is sent', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    await ledger.saveIdentity({
      contributorId: 'contributor1',
      token: 't'.repeat(20),
      planHash: 'c'.repeat(64),
    });
    const payload = Uint8Array.of(1, 2, 3);
    await ledger.add({ round: 1, event: { type: 'non-private' }, payload, outcome: 'pending' });
    const taker = await bench.enter({ ledger });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'refused',
      message: expect.stringMatching(/its plan has changed\. Nothing more is sent/) as string,
    });
    await quiet();
    expect([server.joins, server.updates]).toEqual([[], []]);
    expect(await ledger.identity()).toMatchObject({ planHash: 'c'.repeat(64) });
  });

  test.each([
    ['PLAN_CHANGED', 'refused', 'what the server says'],
    ['IDENTITY_INVALID', 'refused', 'what the server says'],
    ['RUN_ENDED', 'run-completed', 'This run is over.'],
  ] as const)('%s of the server ends it (%s)', async (code, because, message) => {
    bench.server.answerJoin = () => refusal(code, 'what the server says');
    const taker = await bench.enter();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because, message });
  });

  test('is tried again after an error that may pass', async () => {
    const { server } = bench;
    server.answerJoin = () => (server.joins.length === 1 ? refusal('STORE_ERROR') : server.joined());
    const taker = await bench.join();
    expect(server.joins).toHaveLength(2);
    expect(taker.participation.status).toBe('waiting');
  });

  test('an answer of a connection that is gone does not let a round begin on the next one', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const held = Promise.withResolvers<void>();
    ledger.beforeSaveIdentity = () => held.promise; // a slow disk
    const taker = await bench.enter({ ledger });
    await until(() => server.joins.length === 1, 'the first join');
    await quiet();
    server.answerJoin = () => null;
    server.breakConnections();
    await until(() => server.joins.length === 2, 'the second join');
    held.resolve();
    await quiet();
    server.startRound(1);
    await quiet();
    expect(taker.trainer.calls).toEqual([]);
    expect(taker.participation.status).toBe('disconnected');
  });

  test('without a ledger that can be written does not begin', async () => {
    const ledger = new ProbedLedger();
    ledger.beforeSaveIdentity = () => {
      throw new ChoraleError('LEDGER_UNAVAILABLE', 'no storage');
    };
    const taker = await bench.enter({ ledger });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'device-error', message: 'no storage' });
  });
});

describe('a server that is gone', () => {
  test('is shown, waited for and joined again', async () => {
    const { server } = bench;
    const taker = await bench.join();
    await server.stop();
    await taker.shows('disconnected');
    await server.start();
    await taker.shows('waiting');
    expect(server.joins.map(({ identity }) => identity?.contributorId)).toEqual([undefined, 'contributor1']);
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, 'accepted');
  });

  test('training goes on without it; the update is delivered when it is back', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    const call = await taker.training();
    await server.stop();
    await quiet();
    expect(taker.participation.status).toBe('training');
    const bytes = call.finish();
    await until(() => taker.contribution(1)?.outcome === 'sending', 'the update to be ready');
    expect(server.updates).toEqual([]);
    await server.start();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
    await taker.shows('waiting');
  });

  test('a round that waited behind another when it went is offered again by it, or not computed', async () => {
    const { server } = bench;
    const taker = await bench.join();
    taker.trainer.onCancel = 'go-on';
    server.startRound(1);
    const call = await taker.training();
    server.endRound(1);
    server.startRound(2);
    await quiet();
    server.breakConnections();
    await until(() => server.joins.length === 2, 'the second join');
    await quiet();
    call.fail(new DOMException('given up', 'AbortError'));
    await quiet();
    expect(taker.trainer.calls).toHaveLength(1);
    server.startRound(3);
    expect((await taker.training(2)).round).toBe(3);
  });

  test('a round that it closed meanwhile is given up: nobody waits for it, so it need not cost', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    await taker.training();
    server.run = { ...server.run, state: { ...server.run.state, round: 2 } };
    server.breakConnections();
    await taker.settled(1, 'abandoned');
    expect(taker.store.state.spentEpsilon).toBe(0);
    expect(server.updates).toEqual([]);
  });
});

describe('a server that asks for other than the plan', () => {
  const refused = (because: RegExp) => ({
    status: 'stopped',
    because: 'refused',
    message: expect.stringMatching(because) as string,
  });

  test('a round beyond the plan is refused, and nothing of it leaves', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(6);
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject(refused(/not the one you agreed to.*round 6, the plan has 5/));
    expect(taker.trainer.calls).toEqual([]);
    await until(() => server.connections === 0, 'the connection to close');
    expect(server.updates).toEqual([]);
  });

  test('a run that grew in the middle is refused, also while a round is computed', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    const call = await taker.training();
    server.sendState({ roundCount: 50 });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject(refused(/says it has 50 rounds, the plan has 5/));
    call.finish();
    await quiet();
    expect(server.updates).toEqual([]);
    expect(await taker.ledger.entries()).toEqual([]);
  });

  test('the state of another run is refused', async () => {
    const taker = await bench.join();
    bench.server.sendState({ runId: 'run-2' });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject(refused(/not the one you agreed to/));
  });

  test('another plan under the same name is refused when she comes back', async () => {
    const { server } = bench;
    const taker = await bench.join();
    const { run } = server.run;
    server.run = { ...server.run, run: { ...run, planHash: 'e'.repeat(64) } };
    server.breakConnections();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject(refused(/its plan has changed/));
    server.startRound(1);
    await quiet();
    expect(taker.trainer.calls).toEqual([]);
  });

  test('an adapter of another plan is refused by the trainer: no error of the device', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    (await taker.training()).fail(new ChoraleError('UPDATE_MALFORMED', 'expected the plan of this run'));
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject(refused(/adapter.*expected the plan of this run/));
    expect(server.updates).toEqual([]);
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

describe('messages that do not fit the protocol', () => {
  test('are dropped without harm', async () => {
    const { server } = bench;
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const taker = await bench.join();
    const start = { runId: 'run-1', round: 1, attempt: 1, adapterVersion: 0, timeLeftMs: 1000 };
    const bad: [string, ...unknown[]][] = [
      ['round:start', { ...start, round: 0 }, new Uint8Array(96)],
      ['round:start', { ...start, extra: 1 }, new Uint8Array(96)],
      ['round:start', start, 'no bytes'],
      ['round:start', start],
      ['round:start'],
      ['round:end', { round: 1 }],
      ['round:record', { round: 'one' }],
      ['run:state', null],
      ['run:state', { ...server.run.state, status: 'unheard of' }],
      ['no such event', 1],
    ];
    for (const [event, ...message] of bad) server.send(event, ...message);
    await until(() => logged.mock.calls.length === bad.length - 1, 'all of them');
    expect(taker.trainer.calls).toEqual([]);
    expect(taker.participation.status).toBe('waiting');
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, 'accepted');
  });

  test('an answer to an update that makes no sense does not let other bytes out', async () => {
    const { server } = bench;
    const taker = await bench.join();
    let answers = 0;
    server.answerUpdate = () => {
      answers += 1;
      return { ok: true, value: { stored: 'perhaps' } } as never;
    };
    server.startRound(1);
    (await taker.training()).finish();
    await taker.settled(1, 'refused');
    server.answerUpdate = ({ round }) => ok({ round, duplicate: false });
    server.startRound(1, 2);
    await quiet();
    expect([answers, server.updates.length, taker.trainer.calls.length]).toEqual([1, 1, 1]);
  });
});
