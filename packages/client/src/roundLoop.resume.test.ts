import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { roundEvent } from '@chorale/privacy';
import { ChoraleError } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import { ok, quiet, refusal, until } from './testing/scriptedServer.ts';
import { ProbedBackup, ProbedLedger, TestBench } from './testing/takePart.ts';
import type { Wakeup } from './wakeups.ts';

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.open();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await bench.clean();
});

const INVITE = 'an-invite-code-of-enough-letters';

describe('the handshake', () => {
  test('of somebody new names the run and her invite; afterwards her identity takes its place', async () => {
    const { server } = bench;
    const taker = await bench.join({ invite: INVITE });
    expect(server.handshakes).toEqual([
      {
        protocolVersion: expect.any(Number) as number,
        runId: 'run-1',
        newToken: expect.stringMatching(/^[\w-]{43}$/) as string,
        invite: INVITE,
      },
    ]);
    expect(taker.joins).toBe(1);
    server.breakConnections();
    await until(() => server.joins.length === 2, 'the second join');
    expect(server.handshakes[1]).toMatchObject({
      identity: { contributorId: 'contributor1', token: 'a-token-of-this-contributor' },
    });
    expect(server.handshakes[1]).not.toHaveProperty('invite');
    expect(server.handshakes[1]).not.toHaveProperty('newToken');
  });

  test('has one secret of somebody new until she is answered, also after a reload', async () => {
    const { server } = bench;
    server.answerJoin = () => null; // lost on the way
    const before = await bench.enter({ invite: INVITE });
    await until(() => server.joins.length === 1, 'the first join');
    server.breakConnections();
    await until(() => server.joins.length === 2, 'the second join');
    await bench.close(before);
    server.answerJoin = () => server.joined();
    const { ledger } = before;
    const after = await bench.join({ invite: INVITE, ledger });
    expect(new Set(server.handshakes.map(({ newToken }) => newToken)).size).toBe(1);
    expect(server.handshakes).toHaveLength(3);
    expect(await after.ledger.identity()).toMatchObject({ contributorId: 'contributor1' });
    await bench.close(after);
    const other = await bench.join();
    expect(server.handshakes[3]!.newToken).not.toBe(server.handshakes[0]!.newToken);
    expect(other.participation.status).toBe('waiting');
  });

  test('is not sent before the ledger has the secret of somebody new', async () => {
    const ledger = new ProbedLedger();
    const held = Promise.withResolvers<void>();
    ledger.beforeSaveIdentity = () => held.promise;
    bench.server.answerJoin = () => null;
    await bench.enter({ ledger });
    await quiet();
    expect(bench.server.handshakes).toEqual([]);
    held.resolve();
    await until(() => bench.server.handshakes.length === 1, 'the handshake');
    expect(await ledger.identity()).toMatchObject({ token: bench.server.handshakes[0]!.newToken });
  });

  test('a connection that breaks while the ledger still writes her name does not make her somebody new', async () => {
    const { server } = bench;
    const ledger = new ProbedLedger();
    const held = Promise.withResolvers<void>();
    ledger.beforeSaveIdentity = ({ contributorId }) => (contributorId ? held.promise : undefined);
    await bench.enter({ ledger });
    await until(() => server.joins.length === 1, 'the first join');
    await quiet();
    server.breakConnections();
    await until(() => server.handshakes.length === 2, 'the second handshake');
    expect(server.handshakes[1]!.identity).toMatchObject({ contributorId: 'contributor1' });
    held.resolve();
  });

  test.each([
    ['INVITE_REQUIRED', 'not-invited'],
    ['INVITE_INVALID', 'not-invited'],
    ['PROTOCOL_MISMATCH', 'refused'],
    ['MESSAGE_INVALID', 'refused'],
    ['RUN_UNKNOWN', 'refused'],
    ['STORE_DAMAGED', 'refused'],
  ] as const)('that is refused with %s ends it (%s), and it is not tried again', async (code, because) => {
    const { server } = bench;
    server.answerHandshake = () => code;
    const taker = await bench.enter();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because, message: `because of ${code}` });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect([server.handshakes.length, server.joins.length, taker.endings]).toEqual([1, 0, 1]);
  });

  test('of somebody whom the server does not know any more ends it, with the likely reason', async () => {
    const { server } = bench;
    server.answerHandshake = () => 'IDENTITY_INVALID';
    const taker = await bench.enter();
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'unknown-here',
      message: expect.stringMatching(/does not know.*restored from an older backup/) as string,
    });
    await quiet();
    expect(server.handshakes).toHaveLength(1);
  });

  test.each(['SERVER_CLOSING', 'STORE_FULL', 'STORE_ERROR'] as const)(
    'that is refused with %s is tried again by itself, with the reason and the time shown',
    async (code) => {
      const { server } = bench;
      server.answerHandshake = () => (server.handshakes.length < 3 ? code : null);
      const before = Date.now();
      const taker = await bench.enter();
      await taker.shows('disconnected');
      expect(taker.participation).toMatchObject({ error: { code, message: `because of ${code}` } });
      const { nextTryAtMs } = taker.participation as { nextTryAtMs: number };
      expect(nextTryAtMs).toBeGreaterThanOrEqual(before);
      expect(nextTryAtMs).toBeLessThanOrEqual(Date.now() + 1_000);
      await taker.shows('waiting');
      expect([server.handshakes.length, server.joins.length]).toEqual([3, 1]);
    },
  );

  test('that is refused with RATE_LIMITED is not tried again for five seconds', async () => {
    const { server } = bench;
    server.answerHandshake = () => 'RATE_LIMITED';
    const taker = await bench.enter();
    await taker.shows('disconnected');
    const { nextTryAtMs } = taker.participation as { nextTryAtMs: number };
    expect(nextTryAtMs - Date.now()).toBeGreaterThan(4_500);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(server.handshakes).toHaveLength(1);
  });

  test('an invite that cannot be one is refused before anything is sent', async () => {
    const taker = await bench.enter({ invite: 'cut-off' });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'not-invited',
      message: expect.stringContaining('Copy the whole link') as string,
    });
    expect(bench.server.handshakes).toEqual([]);
  });

  test('without a ledger that can be read does not come about', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const ledger = new ProbedLedger();
    const taker = await bench.enter({
      ledger: Object.assign(ledger, {
        identity: () => Promise.reject(new ChoraleError('LEDGER_UNAVAILABLE', 'no storage')),
      }),
    });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'device-error', message: 'no storage' });
    expect(bench.server.handshakes).toEqual([]);
  });

  test('asks the backup on each socket until it answers', async () => {
    const identityBackup = new ProbedBackup();
    identityBackup.beforeAnswer = () => {
      if (identityBackup.reads < 3) throw new ChoraleError('DISCONNECTED', 'status 503');
    };
    await bench.join({ identityBackup });
    expect(identityBackup.reads).toBe(3);
    expect(bench.server.handshakes).toHaveLength(1);
  });
});

describe('after a wake-up', () => {
  test.each<Wakeup>(['slept', 'network-changed'])('%s: a fresh socket at once', async (what) => {
    const { server } = bench;
    const taker = await bench.join();
    taker.wake(what);
    expect(taker.participation).toEqual({
      status: 'disconnected',
      error: { code: 'DISCONNECTED', message: 'connecting again' },
      nextTryAtMs: null,
    });
    await until(() => server.joins.length === 2, 'the second join', 500);
    await taker.shows('waiting');
    await until(() => server.connections === 1, 'the old connection to go');
  });

  test.each<Wakeup>(['slept', 'network-changed', 'looked-at'])(
    '%s: whoever waits for her next try makes it now',
    async (what) => {
      const { server } = bench;
      server.answerHandshake = () => (server.handshakes.length === 1 ? 'RATE_LIMITED' : null);
      const taker = await bench.enter();
      await taker.shows('disconnected');
      taker.wake(what);
      await until(() => server.joins.length === 1, 'the join', 1_000);
      await quiet();
      expect(server.handshakes).toHaveLength(2);
    },
  );

  test.each<Wakeup>(['looked-at', 'network-lost'])('%s: a connection that answers stays', async (what) => {
    const { server } = bench;
    const taker = await bench.join();
    taker.wake(what);
    await until(() => server.availabilities.length === 1, 'the question');
    await quiet();
    expect([server.joins.length, taker.participation.status]).toEqual([1, 'waiting']);
  });

  test('one that does not answer is dropped for a fresh one', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.deaf = true;
    taker.wake('looked-at');
    taker.wake('looked-at');
    await until(() => server.joins.length === 2, 'the second join');
    expect(server.availabilities).toHaveLength(1);
  });

  test('training goes on, and its update is delivered once', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    const call = await taker.training();
    taker.wake('slept');
    expect(taker.participation.status).toBe('training');
    await until(() => server.joins.length === 2, 'the second join');
    const bytes = call.finish();
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
    expect(taker.trainer.cancels).toBe(0);
  });

  test('in the middle of sending: the same bytes on the fresh socket, accepted once', async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.answerUpdate = ({ round }) =>
      server.updates.length === 1 ? null : ok({ round, duplicate: true });
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await until(() => server.updates.length === 1, 'the update');
    taker.wake('slept');
    await taker.settled(1, 'accepted');
    expect(server.updates).toEqual([
      { round: 1, bytes },
      { round: 1, bytes },
    ]);
    await taker.shows('waiting');
  });

  test('nothing is heard of wake-ups when taking part is over', async () => {
    const { server } = bench;
    const taker = await bench.join();
    taker.loop.fail('over');
    taker.wake('slept');
    await quiet();
    expect(server.handshakes).toHaveLength(1);
    expect(taker.participation.status).toBe('stopped');
  });
});

describe('an update that was computed offline', () => {
  const offline = async () => {
    const { server } = bench;
    const taker = await bench.join();
    server.startRound(1);
    const call = await taker.training();
    await server.stop();
    await quiet();
    const bytes = call.finish();
    await until(() => taker.outcome(1) === 'sending', 'the update to be ready');
    await taker.shows('disconnected');
    return { taker, bytes };
  };

  test('is delivered once when its round still takes it', async () => {
    const { taker, bytes } = await offline();
    await bench.server.start();
    await taker.settled(1, 'accepted');
    await quiet();
    expect(bench.server.updates).toEqual([{ round: 1, bytes }]);
  });

  test('is reported as late when it does not', async () => {
    const { taker } = await offline();
    const { server } = bench;
    server.run = { ...server.run, state: { ...server.run.state, round: 2 } };
    server.answerUpdate = () => refusal('UPDATE_WRONG_ROUND');
    await server.start();
    await taker.settled(1, 'late');
    await taker.shows('waiting');
    expect(server.updates).toHaveLength(1);
  });
});

describe('a run that is over before the answer to an update came', () => {
  /** She sends round 1; its answer is lost with the connection, and the run is over as she comes back. */
  const comeBack = async (answer: 'duplicate' | 'RUN_ENDED') => {
    const { server } = bench;
    const taker = await bench.join();
    server.answerUpdate = ({ round }) => {
      if (server.updates.length > 1)
        return answer === 'duplicate' ? ok({ round, duplicate: true }) : refusal('RUN_ENDED');
      server.answerJoin = () => refusal('RUN_ENDED');
      server.run = { ...server.run, state: { ...server.run.state, status: 'completed' } };
      server.breakConnections();
      return null;
    };
    server.startRound(1);
    const bytes = (await taker.training()).finish();
    await taker.shows('stopped');
    expect(server.updates).toEqual([
      { round: 1, bytes },
      { round: 1, bytes },
    ]);
    return taker;
  };

  test('it was stored: the round is accepted', async () => {
    const taker = await comeBack('duplicate');
    expect(taker.participation).toMatchObject({ because: 'run-completed' });
    expect(taker.outcome(1)).toBe('accepted');
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'accepted', payload: null }]);
    expect(taker.endings).toBe(1);
  });

  test('it was not: the round is late', async () => {
    const taker = await comeBack('RUN_ENDED');
    expect(taker.outcome(1)).toBe('late');
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'late' }]);
  });

  test('the state that says so comes first: the answer is waited for', async () => {
    const { server } = bench;
    const taker = await bench.join();
    let arrived = 0;
    server.answerUpdate = ({ round }) => {
      arrived += 1;
      if (arrived > 1) return ok({ round, duplicate: true });
      server.sendState({ status: 'completed' });
      setTimeout(() => server.breakConnections(), 150);
      return null;
    };
    server.startRound(1);
    (await taker.training()).finish();
    await until(() => arrived === 1, 'the update');
    server.answerJoin = () => refusal('RUN_ENDED');
    await quiet();
    expect(taker.participation.status).not.toBe('stopped');
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({
      because: 'run-completed',
      message: 'All rounds are done. Thank you.',
    });
    expect(taker.outcome(1)).toBe('accepted');
  });

  test('no answer comes any more: it ends after a time, and says so', async () => {
    const { server } = bench;
    const taker = await bench.join({ settleTimeoutMs: 300 });
    server.answerUpdate = () => null;
    server.startRound(1);
    (await taker.training()).finish();
    await until(() => server.updates.length === 1, 'the update');
    server.sendState({ status: 'stopped', reason: 'the reason' });
    await taker.shows('stopped');
    expect(taker.participation).toMatchObject({ because: 'run-stopped' });
    expect(taker.outcome(1)).toBe('unanswered');
    expect(taker.contribution(1)!.spentEpsilon).toBe(taker.store.state.spentEpsilon);
    expect(await taker.ledger.entries()).toMatchObject([{ round: 1, outcome: 'pending' }]);
  });
});

test('while answers are waited for at the end of a run, nothing leaves that had not left before', async () => {
  const { server } = bench;
  const ledger = new ProbedLedger();
  const payload = Uint8Array.of(1, 2, 3);
  const event = roundEvent(privacyPlanOf(server.run.run.plan));
  await ledger.add({ round: 1, event, payload, outcome: 'pending' });
  server.answerUpdate = () => null;
  let charged = false;
  ledger.beforeWrite = ({ round }) => {
    charged ||= round === 2;
  };
  const taker = await bench.enter({ ledger, sendTickMs: 400, settleTimeoutMs: 900 });
  await until(() => server.updates.length === 1, 'the update of round 1');
  server.startRound(2);
  (await taker.training()).finish();
  await until(() => charged, 'the charge');
  server.sendState({ status: 'completed' });
  await taker.shows('stopped');
  expect(server.updates.map(({ round }) => round)).toEqual([1]);
  expect([taker.outcome(1), taker.outcome(2)]).toEqual(['unanswered', 'unsent']);
});

test('whatever else ends taking part leaves no round "sending"', async () => {
  const { server } = bench;
  const taker = await bench.join();
  server.answerUpdate = () => null;
  server.startRound(1);
  (await taker.training()).finish();
  await until(() => server.updates.length === 1, 'the update');
  server.replaceConnections();
  await taker.shows('stopped');
  expect(taker.outcome(1)).toBe('unanswered');
});
