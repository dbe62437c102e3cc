import { afterEach, expect, it } from 'vitest';
import { TestSite, getDetail, getRun, until } from './testServer.fixture.ts';
import type { PlainRun } from './testing/plainClient.ts';
import { PlainSocket, newToken, noiseUpdate, readAdapter, readRun, sha256 } from './testing/plainClient.ts';

/*
 * docs/protocol.md is enough to take part: the client of these tests is written from it alone.
 */
let site: TestSite;
const sockets: PlainSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await site.clean();
});

const PROTOCOL = { protocolVersion: 4 };

function open(base: string, auth: ConstructorParameters<typeof PlainSocket>[1]): PlainSocket {
  const socket = new PlainSocket(base, auth);
  sockets.push(socket);
  return socket;
}

function joinMessage({ planHash, plan }: PlainRun, chargedRounds: number[] = []) {
  const { basisHash } = plan;
  return { planHash, basisHash, backend: 'cpu', availability: 'available', chargedRounds };
}

function eventOf(socket: PlainSocket, event: string, round: number) {
  return until(
    () => socket.events.find((one) => one.event === event && one.message['round'] === round),
    `${event} of round ${round}`,
  );
}

it('joins, gets the adapter, offers and sends noise, is acknowledged, and hears of the result', async () => {
  // Every norm is looked at, as in a run of its own
  site = new TestSite({ aggregation: { normWindow: 'noise-law' } });
  const server = await site.start();
  const base = server.contributeUrl;
  const run = await readRun(base);
  const members: { socket: PlainSocket; token: string; contributorId: string }[] = [];
  for (let k = 0; k < 2; k++) {
    const token = newToken();
    const socket = open(base, { ...PROTOCOL, runId: run.runId, newToken: token });
    const joined = await socket.ask('join', joinMessage(run));
    expect(joined).toMatchObject({ ok: true, value: { token, chargedRounds: [], state: { round: 1 } } });
    const { contributorId } = joined.value as { contributorId: string };
    members.push({ socket, token, contributorId });
  }

  for (const round of [1, 2]) {
    for (const { socket } of members) {
      const start = await eventOf(socket, 'round:start', round);
      expect(start.message).toMatchObject({ runId: run.runId, attempt: 1, adapterVersion: round - 1 });
      const adapter = readAdapter(start.bytes!, run);
      expect(adapter.version).toBe(round - 1);
      const bytes = noiseUpdate(round, run);
      const offer = { round, sha256: await sha256(bytes), payloadBytes: bytes.length };
      expect(await socket.ask('offer', offer)).toEqual({ ok: true, value: 'send' });
      expect(await socket.ask('update', { round }, bytes)).toEqual({
        ok: true,
        value: { round, duplicate: false },
      });
      // Were the answer lost: the same bytes need not be sent again
      expect(await socket.ask('offer', offer)).toEqual({ ok: true, value: 'stored' });
    }
    const end = await eventOf(members[0]!.socket, 'round:end', round);
    expect(end.message).toMatchObject({ outcome: 'aggregated', received: 2, adapterVersion: round });
    await eventOf(members[0]!.socket, 'round:record', round);
  }
  await until(
    () =>
      members[0]!.socket.events.findLast(({ event }) => event === 'run:state')?.message['status'] ===
      'completed',
    'the end of the run',
  );
  expect((await getRun(server)).rounds.at(-1)).toMatchObject({ round: 2, received: 2 });
  expect((await getDetail(server)).contributors).toMatchObject([{ chargedRounds: 2 }, { chargedRounds: 2 }]);
  expect(site.problems).toEqual([]);
});

it('comes back as the same contributor: with her identity, and with her secret when the answer was lost', async () => {
  site = new TestSite();
  const server = await site.start();
  const base = server.contributeUrl;
  const run = await readRun(base);
  const token = newToken();
  const auth = { ...PROTOCOL, runId: run.runId, newToken: token };
  const first = open(base, auth);
  await first.ask('join', joinMessage(run));
  first.close();
  const again = await open(base, auth).ask('join', joinMessage(run));
  const { contributorId } = again.value as { contributorId: string };
  expect((await getDetail(server)).contributors.map((one) => one.contributorId)).toEqual([contributorId]);

  const known = open(base, { ...PROTOCOL, runId: run.runId, identity: { contributorId, token } });
  expect(await known.ask('join', joinMessage(run, [1]))).toMatchObject({
    ok: true,
    value: { contributorId, chargedRounds: [1] },
  });
  expect(await known.ask('availability', { availability: 'paused' })).toEqual({ ok: true, value: null });
  expect(await known.ask('leave', {})).toEqual({ ok: true, value: null });
});

it('is told by a code why it may not come in', async () => {
  site = new TestSite({ access: 'invite' });
  const server = await site.start();
  const base = server.contributeUrl;
  const { runId } = await readRun(base);
  const refusalOf = async (auth: ConstructorParameters<typeof PlainSocket>[1]) => {
    const socket = open(base, auth);
    await socket.open.catch(() => undefined);
    return socket.refused;
  };
  const secret = { newToken: newToken() };
  const identity = { contributorId: 'k3v9x2m7q1ab', token: newToken() };
  expect(await refusalOf({ runId, ...secret, protocolVersion: 3 })).toBe('PROTOCOL_MISMATCH');
  expect(await refusalOf({ runId, ...PROTOCOL })).toBe('MESSAGE_INVALID');
  expect(await refusalOf({ runId, ...PROTOCOL, ...secret, identity })).toBe('MESSAGE_INVALID');
  expect(await refusalOf({ runId: 'nowhere', ...PROTOCOL, ...secret })).toBe('RUN_UNKNOWN');
  expect(await refusalOf({ runId, ...PROTOCOL, identity })).toBe('IDENTITY_INVALID');
  expect(await refusalOf({ runId, ...PROTOCOL, ...secret })).toBe('INVITE_REQUIRED');
  expect(await refusalOf({ runId, ...PROTOCOL, ...secret, invite: newToken() })).toBe('INVITE_INVALID');
});
