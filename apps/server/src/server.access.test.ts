import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import type { AuditEntry, Invite } from '@chorale/protocol';
import { auditEntrySchema, createdInviteSchema, inviteSchema } from '@chorale/protocol';
import { randomToken } from './identity.ts';
import { DEFAULT_LIMITS } from './access/limits.ts';
import type { Limits } from './access/limits.ts';
import type { RunningServer } from './server.ts';
import {
  ScriptedContributor,
  TestSite,
  asAdmin,
  codeOf,
  getDetail,
  getRun,
  until,
} from './testServer.fixture.ts';

let site: TestSite;
let server: RunningServer;
const sockets: Socket[] = [];

async function open(config: ConstructorParameters<typeof TestSite>[0] = {}, limits: Partial<Limits> = {}) {
  await site?.clean();
  site = new TestSite(config);
  server = await site.start({}, { settings: { limits: { ...DEFAULT_LIMITS, ...limits } } });
}
beforeEach(() => open());
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.disconnect();
  await site.clean();
});

const own = (): string => server.contributeUrl.replace(/\/$/, '');
const auditLog = async (query = ''): Promise<AuditEntry[]> => {
  const { entries } = (await (await asAdmin(server, `audit${query}`)).json()) as { entries: unknown[] };
  return entries.map((entry) => auditEntrySchema.parse(entry));
};
const errorCode = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: { code: string } }).error.code;
const disconnected = (socket: { once(event: 'disconnect', f: (reason: string) => void): unknown }) =>
  new Promise<string>((resolve) => void socket.once('disconnect', resolve));

describe('a handshake', () => {
  it('lets in who names the protocol and a run, and proves who she is when she says so', async () => {
    const one = await site.contributor(server);
    const connected = async (changes: Record<string, unknown>) => codeOf(await one.connect(changes));
    expect(await connected({ protocolVersion: 99, someFutureField: 1 })).toBe('PROTOCOL_MISMATCH');
    expect(await connected({ protocolVersion: '4' })).toBe('MESSAGE_INVALID');
    expect(await connected({ someField: 1 })).toBe('MESSAGE_INVALID');
    expect(await connected({ runId: 'other' })).toBe('RUN_UNKNOWN');
    expect(await connected({ runId: undefined })).toBe('MESSAGE_INVALID');
    expect(await connected({})).toBe('ok');
    const { contributorId, token } = await one.joinOrThrow();
    for (const identity of [
      { contributorId, token: `${token.slice(0, -1)}!` },
      { contributorId: 'nobody00', token },
      { contributorId: 'a'.repeat(20), token: 'x'.repeat(43) },
    ]) {
      expect(await connected({ identity })).toBe('IDENTITY_INVALID');
    }
    expect(await connected({ identity: { contributorId } })).toBe('MESSAGE_INVALID');
    expect(await connected({ identity: { contributorId, token } })).toBe('ok');
    expect((await getDetail(server)).contributors).toHaveLength(1);
  });

  it('decides for whom a socket speaks: nobody before she has proved it, and one contributor then', async () => {
    const stranger = await site.contributor(server);
    await stranger.connect();
    expect(codeOf(await stranger.ask('update', { round: 1 }, stranger.encode(1, [1, 0, 0, 0])))).toBe(
      'NOT_JOINED',
    );
    expect(codeOf(await stranger.ask('availability', { availability: 'paused' }))).toBe('NOT_JOINED');
    expect(codeOf(await stranger.ask('leave', {}))).toBe('NOT_JOINED');
    const first = await stranger.joinOrThrow();
    // Twice on one socket: the same, not somebody new
    const message = { planHash: stranger.run.planHash, basisHash: stranger.run.plan.basisHash };
    const more = { backend: 'webgpu', availability: 'available', chargedRounds: [] };
    expect(await stranger.ask('join', { ...message, ...more })).toMatchObject({
      ok: true,
      value: { contributorId: first.contributorId },
    });
    const { contributors } = await getDetail(server);
    expect(contributors).toMatchObject([{ contributorId: first.contributorId, backend: 'webgpu' }]);
    expect(codeOf(await stranger.ask('explode', {}))).toBe('MESSAGE_INVALID');
  });

  it('of somebody new with a known secret speaks for its contributor, in her run only', async () => {
    const one = await site.contributor(server);
    const { contributorId } = await one.joinOrThrow();
    await one.connect({ identity: undefined, newToken: one.newToken });
    // Proved by the handshake, as an identity is: an update may be asked about without joining
    expect(codeOf(await one.offer(9, new Uint8Array(1)))).toBe('UPDATE_WRONG_ROUND');
    expect(await one.ask('availability', { availability: 'paused' })).toMatchObject({ ok: false });
    const other = await site.contributor(server);
    expect((await other.joinOrThrow()).contributorId).not.toBe(contributorId);
    expect((await getDetail(server)).contributors).toHaveLength(2);

    // Another run of the same server
    const elsewhere = new TestSite({ name: 'Other' });
    try {
      await site.stop(server);
      server = await site.start({}, { configs: [site.configPath, elsewhere.configPath] });
      const there = new ScriptedContributor(server, await getRun(server, server.runs[1]!.runId));
      const joined = await there.join({ newToken: one.newToken });
      there.socket.disconnect();
      expect(joined).toMatchObject({ ok: true, value: { token: one.newToken, chargedRounds: [] } });
      expect(joined.ok && joined.value.contributorId).not.toBe(contributorId);
    } finally {
      await elsewhere.clean();
    }
  });

  it('of who is known needs no room among the newcomers of an hour', async () => {
    await open({}, { joinsPerAddressPerHour: 1 });
    const one = await site.contributor(server);
    await one.joinOrThrow();
    const again = await site.contributor(server);
    expect(codeOf(await again.join({ newToken: one.newToken }))).toBe('ok');
    expect(codeOf(await (await site.contributor(server)).join())).toBe('RATE_LIMITED');
  });

  it('that proved an identity may ask about its update after the end of the run', async () => {
    await open({ rounds: { count: 1, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 60 } });
    const one = await site.contributor(server);
    await one.joinOrThrow();
    await one.round(1);
    const payload = one.encode(1, [1, 0, 0, 0]);
    expect(await one.deliver(1, payload)).toMatchObject({ ok: true });
    await until(async () => (await getRun(server)).state.status === 'completed', 'the end');
    await one.connect();
    expect(codeOf(await one.join())).toBe('RUN_ENDED');
    const again = await one.deliver(1, payload);
    expect([again.ok ? again.value : codeOf(again)]).toEqual([{ round: 1, duplicate: true }]);
  });

  it('is for one socket: a connection has no second one', async () => {
    const socket = io(own(), { transports: ['websocket'], reconnection: false, autoConnect: false });
    const { run } = await getRun(server);
    const auth = { protocolVersion: 4, runId: run.runId, newToken: randomToken() };
    const first = socket.io.socket('/contribute', { auth });
    const second = socket.io.socket('/admin', {
      auth: { token: server.adminToken },
    });
    sockets.push(first, second);
    const refused = new Promise<Error & { data?: { code: string } }>((resolve) => {
      second.once('connect_error', resolve);
    });
    first.once('connect', () => second.connect());
    first.connect();
    expect((await refused).data).toMatchObject({ code: 'MESSAGE_INVALID' });
  });
});

describe('invites', () => {
  const invite = (body: unknown = {}) =>
    asAdmin(server, `runs/${server.runId}/invites`, { method: 'POST', body });
  const list = async (): Promise<Invite[]> => {
    const all = (await (await asAdmin(server, `runs/${server.runId}/invites`)).json()) as unknown[];
    return all.map((one) => inviteSchema.parse(one));
  };
  beforeEach(() => open({ access: 'invite' }));

  it('let so many in, and who is in needs none any more', async () => {
    const response = await invite({ note: 'class 4b', uses: 2 });
    expect(response.status).toBe(201);
    const { invite: made, code, url } = createdInviteSchema.parse(await response.json());
    expect(url).toBe(`${own()}/?run=${server.runId}#invite=${code}`);
    // At least 128 bits, and never told again
    expect(code.length).toBeGreaterThanOrEqual(22);
    expect(JSON.stringify([await list(), await auditLog(), site.logged])).not.toContain(code);

    const stranger = await site.contributor(server);
    expect(codeOf(await stranger.connect())).toBe('INVITE_REQUIRED');
    expect(codeOf(await stranger.connect({ invite: 'x'.repeat(32) }))).toBe('INVITE_INVALID');
    const [a, b] = [await site.contributor(server), await site.contributor(server)];
    expect(codeOf(await a.join({ invite: code }))).toBe('ok');
    expect(await list()).toEqual([{ ...made, used: 1 }]);
    // Two that hold the last use: the socket opens for both, one of them joins
    expect(codeOf(await b.connect({ invite: code }))).toBe('ok');
    expect(codeOf(await stranger.connect({ invite: code }))).toBe('ok');
    expect(codeOf(await b.join())).toBe('ok');
    expect(codeOf(await stranger.join())).toBe('INVITE_INVALID');
    expect(await list()).toEqual([{ ...made, used: 2 }]);
    expect(codeOf(await stranger.connect({ invite: code }))).toBe('INVITE_INVALID');

    expect(
      (await asAdmin(server, `runs/${server.runId}/invites/${made.inviteId}`, { method: 'DELETE' })).status,
    ).toBe(204);
    await a.connect();
    expect(codeOf(await a.join())).toBe('ok');
    expect((await getDetail(server)).contributors).toHaveLength(2);
  });

  it('are used once by whoever lost the answer to her join: her secret makes her the same contributor', async () => {
    const { code } = createdInviteSchema.parse(await (await invite({ uses: 1 })).json());
    const one = await site.contributor(server);
    const joined = await one.join({ invite: code });
    const { contributorId, token } = one.identity!;
    expect(token).toBe(one.newToken);
    expect(joined).toMatchObject({ ok: true, value: { contributorId, token } });
    // As if nothing of it had come back: she does not know her name, and comes back with and without the invite
    const newToken = one.newToken;
    for (const handshake of [{ newToken, invite: code }, { newToken }]) {
      const again = await site.contributor(server);
      expect(await again.join(handshake)).toMatchObject({ ok: true, value: { contributorId, token } });
    }
    // Both sockets were let in before either had joined
    const fresh = randomToken();
    const second = createdInviteSchema.parse(await (await invite({ uses: 1 })).json());
    const [a, b] = [await site.contributor(server), await site.contributor(server)];
    for (const each of [a, b]) {
      expect(codeOf(await each.connect({ newToken: fresh, invite: second.code }))).toBe('ok');
    }
    await a.joinOrThrow();
    // She has a ledger by then, as somebody who is known may
    expect(await b.join({ chargedRounds: [1] })).toMatchObject({ ok: true, value: a.identity });
    expect((await getDetail(server)).contributors).toHaveLength(2);
    expect((await list()).map(({ used }) => used)).toEqual([1, 1]);
  });

  it('end: withdrawn or expired', async () => {
    const withdrawn = createdInviteSchema.parse(await (await invite({ uses: 5 })).json());
    const one = await site.contributor(server);
    expect(codeOf(await one.connect({ invite: withdrawn.code }))).toBe('ok');
    await asAdmin(server, `runs/${server.runId}/invites/${withdrawn.invite.inviteId}`, { method: 'DELETE' });
    // Also for who opened a socket with it before
    expect(codeOf(await one.join())).toBe('INVITE_INVALID');
    expect(codeOf(await one.connect({ invite: withdrawn.code }))).toBe('INVITE_INVALID');
    // Half a second, which passes between the handshake and the join
    const short = createdInviteSchema.parse(await (await invite({ expiresInHours: 0.5 / 3600 })).json());
    expect(codeOf(await one.connect({ invite: short.code }))).toBe('ok');
    await new Promise((resolve) => setTimeout(resolve, 550));
    expect(codeOf(await one.join())).toBe('INVITE_INVALID');
    expect(codeOf(await one.connect({ invite: short.code }))).toBe('INVITE_INVALID');
    expect((await getDetail(server)).contributors).toHaveLength(0);
  });

  it('are made by admins, as the schema has them, for runs that take them', async () => {
    const path = `${own()}/api/admin/runs/${server.runId}/invites`;
    expect((await fetch(path, { method: 'POST' })).status).toBe(401);
    expect((await fetch(path)).status).toBe(401);
    expect((await fetch(`${path}/abcdefgh`, { method: 'DELETE' })).status).toBe(401);
    for (const body of [{ uses: 0 }, { uses: 1.5 }, { expiresInHours: -1 }, { more: 1 }, { note: 7 }, []]) {
      const response = await invite(body);
      expect([response.status, await errorCode(response)]).toEqual([400, 'MESSAGE_INVALID']);
    }
    const unknown = await asAdmin(server, `runs/${server.runId}/invites/nobody00`, { method: 'DELETE' });
    expect(await errorCode(unknown)).toBe('INVITE_INVALID');
    expect(await list()).toEqual([]);
    await open();
    const response = await invite();
    expect([response.status, await errorCode(response)]).toEqual([409, 'RUN_STATE']);
  });
});

describe('what admins do', () => {
  const signIn = async () => {
    const response = await fetch(server.adminUrl, { redirect: 'manual' });
    return response.headers.get('set-cookie')!.split(';')[0]!;
  };
  const post = (path: string, headers: Record<string, string>) =>
    fetch(`${own()}/api/admin/${path}`, { method: 'POST', headers });
  const signedIn = async (cookie: string): Promise<boolean> =>
    (
      (await (await fetch(`${own()}/api/admin/session`, { headers: { cookie } })).json()) as {
        signedIn: boolean;
      }
    ).signedIn;
  const adminSocket = async (headers: Record<string, string>): Promise<Socket> => {
    const socket = io(`${own()}/admin`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      extraHeaders: headers,
    });
    sockets.push(socket);
    await until(() => socket.connected, 'the admin socket');
    return socket;
  };

  it('ends with signing out, on their sockets too', async () => {
    const [cookie, other] = [await signIn(), await signIn()];
    const [mine, others] = [await adminSocket({ cookie }), await adminSocket({ cookie: other })];
    const ended = disconnected(mine);
    const response = await post('sign-out', { cookie });
    expect([response.status, response.headers.get('set-cookie')]).toMatchObject([
      204,
      expect.stringMatching(/^chorale_admin=;.*Expires=Thu, 01 Jan 1970/) as string,
    ]);
    expect(await ended).toBe('io server disconnect');
    expect([await signedIn(cookie), await signedIn(other), others.connected]).toEqual([false, true, true]);
  });

  it('goes on with a new token for who made it, and for nobody else', async () => {
    const [cookie, other] = [await signIn(), await signIn()];
    const byToken = await adminSocket({ authorization: `Bearer ${server.adminToken}` });
    const [mine, others] = [await adminSocket({ cookie }), await adminSocket({ cookie: other })];
    const ended = Promise.all([disconnected(byToken), disconnected(others)]);
    const response = await post('token/rotate', { cookie });
    expect(response.headers.get('cache-control')).toBe('no-store');
    const { token } = (await response.json()) as { token: string };
    await ended;
    expect([mine.connected, await signedIn(cookie), await signedIn(other)]).toEqual([true, true, false]);
    expect((await fetch(server.adminUrl, { redirect: 'manual' })).status).toBe(401);
    expect((await asAdmin({ ...server, adminToken: token }, 'runs')).status).toBe(200);
    expect((await asAdmin(server, 'runs')).status).toBe(401);
  });

  it('begins with opening the link, not with looking at it', async () => {
    const before = (await auditLog()).length;
    const looked = await fetch(server.adminUrl, { method: 'HEAD', redirect: 'manual' });
    expect([looked.status, looked.headers.get('set-cookie')]).toEqual([503, null]); // no page is built here
    expect(await auditLog()).toHaveLength(before);
  });

  it('is written down, refusals too, with nothing secret in it', async () => {
    const cookie = await signIn();
    await fetch(`${own()}/admin?token=guess`);
    await asAdmin(server, `runs/${server.runId}/pause`, { method: 'POST' });
    await asAdmin(server, `runs/${server.runId}/pause`, { method: 'POST' }); // RUN_STATE: not done
    await asAdmin(server, `runs/${server.runId}/resume`, { method: 'POST' });
    await asAdmin(server, `runs/${server.runId}/adapter.zip`);
    await post('sign-out', { cookie });
    const entries = await auditLog();
    expect(entries.map(({ act }) => act)).toEqual([
      'sign-out',
      'adapter-downloaded',
      'resume',
      'pause', // not done
      'pause',
      'pause',
      'sign-in-refused',
      'sign-in',
      'server-start',
    ]);
    expect(entries.filter(({ act }) => act === 'pause').map(({ detail }) => detail)).toEqual([
      'not done: RUN_STATE',
      '',
      '',
    ]);
    for (const { act, address, actor } of entries) {
      if (act === 'server-start') continue;
      expect([act, address]).toEqual([act, '127.0.0.1']);
      expect([act, actor === null]).toEqual([act, act === 'sign-in-refused']);
    }
    const text = JSON.stringify([entries, site.logged]);
    for (const secret of [server.adminToken, cookie.split('=')[1]!, 'guess']) {
      expect(text).not.toContain(secret);
    }
    const [newest, next] = entries;
    expect(newest!.previousHash).toBe(next!.hash);
    expect((await auditLog('?limit=1'))[0]).toEqual(newest);
    expect((await auditLog(`?limit=1&before=${newest!.sequence}`))[0]).toEqual(next);
    expect((await asAdmin(server, 'audit?limit=100000')).status).toBe(400);
    expect((await fetch(`${own()}/api/admin/audit`)).status).toBe(401);
  });

  it('comes from their own page only, whatever changes something', async () => {
    const cookie = await signIn();
    for (const origin of ['http://evil.example', 'null', own().replace(/:\d+$/, ':1')]) {
      for (const path of ['sign-out', 'token/rotate', `runs/${server.runId}/stop`]) {
        const response = await post(path, { cookie, origin });
        expect([path, response.status, await errorCode(response)]).toEqual([path, 403, 'ORIGIN_REFUSED']);
      }
      const reading = await fetch(`${own()}/api/admin/audit`, { headers: { cookie, origin } });
      expect(reading.status).toBe(403);
    }
    // From another port of this host a plain GET has the cookie and no Origin
    for (const path of ['audit', 'runs', `runs/${server.runId}/adapter.zip`]) {
      for (const site of ['same-site', 'cross-site', 'none', 'same-origin']) {
        const headers = { cookie, 'sec-fetch-site': site };
        const { status } = await fetch(`${own()}/api/admin/${path}`, { headers });
        expect([path, site, status]).toEqual([path, site, site === 'same-origin' ? 200 : 403]);
      }
    }
    expect(await signedIn(cookie)).toBe(true);
    expect((await post('sign-out', { cookie, origin: own() })).status).toBe(204);
  });
});
