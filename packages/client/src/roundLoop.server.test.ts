import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
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
    ['RUN_UNKNOWN', 'refused', 'what the server says'],
  ] as const)('%s of the server ends it (%s)', async (code, because, message) => {
    bench.server.answerJoin = () => refusal(code, 'what the server says');
    const taker = await bench.enter();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because, message });
  });

  test.each([
    ['completed', 'run-completed', 'All rounds are done. Thank you.'],
    ['stopped', 'run-stopped', 'The run was ended by its operator: the reason'],
    ['failed', 'run-stopped', 'The run failed: the reason'],
  ] as const)('a run that is %s is told as such', async (status, because, message) => {
    const { server } = bench;
    server.answerJoin = () => refusal('RUN_ENDED', 'what the server says');
    server.run = { ...server.run, state: { ...server.run.state, status, reason: 'the reason' } };
    const taker = await bench.enter();
    await taker.shows('stopped');
    expect(taker.participation).toEqual({ status: 'stopped', because, message });
    expect(taker.store.state.runState).toEqual(server.run.state);
  });

  test('a run that is over, and nobody says how, is not told as completed', async () => {
    const { server } = bench;
    server.answerJoin = () => refusal('RUN_ENDED', 'what the server says');
    server.onRequest = (_, response) => response.writeHead(503).end();
    const taker = await bench.enter();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'run-over', message: 'This run is over.' });
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
    // A slow disk
    ledger.beforeSaveIdentity = ({ contributorId }) => (contributorId ? held.promise : undefined);
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
    expect(server.handshakes.map(({ identity }) => identity?.contributorId)).toEqual([
      undefined,
      'contributor1',
    ]);
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
