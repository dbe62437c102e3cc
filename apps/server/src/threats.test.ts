import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { io } from 'socket.io-client';
import type { AuditEntry } from '@chorale/protocol';
import { AUDIT_START, verifyAuditChain } from '@chorale/store';
import { DEFAULT_LIMITS } from './access/limits.ts';
import { openDataDirectory } from './dataDirectory.ts';
import { REPOSITORY_ROOT } from './models/modelSource.ts';
import type { RunningServer } from './server.ts';
import { TestSite, asAdmin, codeOf, getDetail, getRun } from './testServer.fixture.ts';
import type { ScriptedContributor } from './testServer.fixture.ts';

/**
 * The threat table (docs/security.md), line by line. What the server answers is tried here, the short way; where another
 * test goes deeper, or another part answers, that test is named and must exist.
 */

let site: TestSite;
let server: RunningServer;
beforeEach(async () => {
  site = new TestSite({ rounds: { count: 2, cohortSize: 3, minimumUpdates: 3, deadlineSeconds: 600 } });
  server = await site.start();
});
afterEach(async () => {
  await site.clean();
});

const own = (): string => server.contributeUrl.replace(/\/$/, '');

/** That a file has a test, or a group of them, whose title starts so, and that nothing in it is left out. */
function hasTest(path: string, title: string): boolean {
  const file = resolve(REPOSITORY_ROOT, path);
  if (!existsSync(file)) return false;
  const source = readFileSync(file, 'utf8');
  if (/\b(?:it|test|describe)\.(?:skip|todo|fails|only)\(/.test(source)) return false;
  const literal = title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`\\b(?:it|test|describe)(?:\\.[^]*?)?\\(\\s*['"\`]${literal}`).test(source);
}

it('other tests are found by their title, not by less', () => {
  const here = 'apps/server/src/access/origins.test.ts';
  expect(hasTest(here, 'there is no test of this name')).toBe(false);
  expect(hasTest('apps/server/src/no.test.ts', 'lets')).toBe(false);
  expect(hasTest('apps/server/src/adminAccess.test.ts', 'stopped when there are too many')).toBe(false);
  expect(hasTest('apps/server/src/adminAccess.test.ts', 'is refused with a wrong token')).toBe(true);
});

describe('server operator, curious: reads updates', () => {
  it('is answered in the tab: an update is noised before it can be encoded', () => {
    expect(
      hasTest('packages/trainer/src/clientUpdate.noise.test.ts', 'a round without data is %s noise alone'),
    ).toBe(true);
    expect(
      hasTest(
        'packages/privacy/src/mechanism/mechanism.test.ts',
        'unit example: a grid of C/32768, noise of noiseMultiplier · C',
      ),
    ).toBe(true);
    expect(
      hasTest('packages/privacy/src/auditing/canaryGame.test.ts', 'contradicts says what refutation says'),
    ).toBe(true);
  });

  it('finds no bytes of updates in the database once their round is over', async () => {
    const cohort = await site.joined(server, 3);
    const values = [1.5, -2.25, 3.125, 0.75];
    for (const one of cohort) {
      await one.round(1);
      expect(codeOf(await one.send(1, values))).toBe('ok');
    }
    await cohort[0]!.round(2);
    await site.stop(server);
    const data = openDataDirectory(site.dataDir);
    const { store } = data;
    expect([...store.eachUpdate(server.runId, 1)]).toEqual([]);
    expect(store.receivedContributors(server.runId, 1)).toHaveLength(3);
    data.close();
  });
});

describe('server operator, malicious: asks for more than was agreed to, or ships other code', () => {
  it('is answered in the tab, as far as code can: own limits, a plan that its hash names', () => {
    expect(
      hasTest('packages/client/src/contributor.test.ts', 'a plan that its hash does not name is refused'),
    ).toBe(true);
    expect(hasTest('packages/client/src/roundLoop.limit.test.ts', 'ends training before the round')).toBe(
      true,
    );
    expect(hasTest('apps/contributor/src/limits.test.ts', 'is just what the plan asks for')).toBe(true);
  });
});

describe('admin account', () => {
  it('is none that a contributor has: her token opens nothing of the admins', async () => {
    const one = await site.contributor(server);
    const { token } = await one.joinOrThrow();
    for (const path of [
      'runs',
      'audit',
      `runs/${server.runId}/adapter.zip`,
      `runs/${server.runId}/invites`,
    ]) {
      for (const headers of [
        { authorization: `Bearer ${token}` },
        { cookie: `chorale_admin=${token}` },
        { cookie: `chorale_contributor=${token}` },
      ]) {
        const response = await fetch(`${own()}/api/admin/${path}`, { headers });
        expect([path, response.status]).toEqual([path, 401]);
      }
    }
    const socket = io(`${own()}/admin`, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      auth: { ...one.identity, token },
    });
    const refused = await new Promise<{ data?: { code: string } }>((done) => {
      socket.once('connect_error', done);
    });
    expect(refused.data).toMatchObject({ code: 'ADMIN_REQUIRED' });
    socket.disconnect();
  });

  it('leaves a trace of every act, in a chain that shows what was changed or taken out', async () => {
    await asAdmin(server, `runs/${server.runId}/pause`, { method: 'POST' });
    await asAdmin(server, `runs/${server.runId}/resume`, { method: 'POST' });
    const { entries } = (await (await asAdmin(server, 'audit')).json()) as { entries: AuditEntry[] };
    expect(entries.map(({ act }) => act)).toEqual(
      expect.arrayContaining(['pause', 'resume', 'server-start']),
    );
    expect(verifyAuditChain(entries)).toMatchObject({ intact: true });
    expect(entries.at(-1)!.previousHash).toBe(AUDIT_START);
    const without = entries.filter(({ act }) => act !== 'pause');
    expect(verifyAuditChain(without)).toMatchObject({ intact: false });
    expect(hasTest('packages/store/src/auditChain.test.ts', 'is broken by a change in any field')).toBe(true);
  });

  it('cannot change a plan: there is no way to, and another one is refused by every tab', async () => {
    for (const method of ['PUT', 'PATCH', 'POST', 'DELETE']) {
      const path = `runs/${server.runId}`;
      expect((await asAdmin(server, path, { method })).status).toBe(404);
    }
    const one = await site.contributor(server);
    expect(codeOf(await one.join({ planHash: 'f'.repeat(64) }))).toBe('PLAN_CHANGED');
  });

  it('is not lost again to who had the token that was replaced, at the next start with it either', async () => {
    const adminToken = 'chosen-by-the-operator-and-leaked';
    await site.stop(server);
    server = await site.start({}, { adminToken });
    const rotated = await asAdmin(server, 'token/rotate', { method: 'POST' });
    const { token } = (await rotated.json()) as { token: string };
    await site.stop(server);
    server = await site.start({}, { adminToken });
    expect([server.adminToken, server.adminUrl]).toEqual(['', `${own()}/admin`]);
    expect((await asAdmin({ ...server, adminToken }, 'runs')).status).toBe(401);
    expect((await asAdmin({ ...server, adminToken: token }, 'runs')).status).toBe(200);
    expect(site.problems.join()).toContain('CHORALE_ADMIN_TOKEN is a token that an admin has replaced');
  });

  it('is opened by no guessing', () => {
    expect(hasTest('apps/server/src/adminAccess.test.ts', 'is refused with a wrong token')).toBe(true);
  });
});

describe('client', () => {
  let cohort: [ScriptedContributor, ScriptedContributor, ScriptedContributor];
  const good = [1, 0, 0, 0];
  beforeEach(async () => {
    const [a, b, c] = await site.joined(server, 3);
    cohort = [a!, b!, c!];
    for (const one of cohort) await one.round(1);
  });
  const stored = async (): Promise<number> => (await getRun(server)).state.received;

  it('poisoning: a vector of another size than the noise gives it is refused', async () => {
    // With the window that runs have by default; the values of the other tests are none of a noise
    await site.clean();
    site = new TestSite({
      rounds: { count: 2, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 600 },
      aggregation: {},
    });
    server = await site.start();
    const [one] = await site.joined(server, 1);
    await one!.round(1);
    // Of four values, as here, honest noise may be nearly zero: only the upper bound is near
    expect(codeOf(await one!.send(1, [1e5, -1e5, 1e5, 1e5]))).toBe('UPDATE_OUT_OF_WINDOW');
    expect(
      hasTest(
        'packages/coordinator/src/aggregation/honestNorm.test.ts',
        'refuses outside, takes the bounds, and says what it expected',
      ),
    ).toBe(true);
    expect(await stored()).toBe(0);
  });

  it('NaN, infinity and absurd values are refused', async () => {
    for (const value of [NaN, Infinity, -Infinity, 3e38]) {
      const payload = cohort[0].encode(1, good);
      new DataView(payload.buffer).setFloat32(payload.length - 4, value, true);
      expect([value, codeOf(await cohort[0].sendGranted({ round: 1 }, payload))]).toEqual([
        value,
        'UPDATE_NOT_FINITE',
      ]);
    }
    expect(await stored()).toBe(0);
  });

  it('wrong length is refused', async () => {
    const payload = cohort[0].encode(1, good);
    for (const bytes of [payload.slice(0, -1), payload.slice(0, -4), Uint8Array.from([...payload, 0])]) {
      expect(codeOf(await cohort[0].sendGranted({ round: 1 }, bytes))).toMatch(/^UPDATE_(SIZE|MALFORMED)$/);
    }
    expect(await stored()).toBe(0);
  });

  it('replay and duplicates change nothing; a second, different update is refused', async () => {
    const payload = cohort[0].encode(1, good);
    const send = (round: number, bytes = payload) => cohort[0].deliver(round, bytes);
    expect(codeOf(await cohort[0].sendGranted({ round: 2 }, payload))).toBe('UPDATE_MALFORMED');
    expect(await send(1)).toMatchObject({ value: { duplicate: false } });
    expect(await send(1)).toMatchObject({ value: { duplicate: true } });
    expect(codeOf(await send(1, cohort[0].encode(1, [2, 0, 0, 0])))).toBe('UPDATE_CONFLICT');
    expect(codeOf(await send(2, cohort[0].encode(2, good)))).toBe('UPDATE_WRONG_ROUND');
    expect(await stored()).toBe(1);
  });

  it('speaks for nobody else, and is in no round that did not choose her', async () => {
    const other = await site.contributor(server);
    const { contributorId } = cohort[0].identity!;
    expect(codeOf(await other.join({ identity: { contributorId, token: 'x'.repeat(43) } }))).toBe(
      'IDENTITY_INVALID',
    );
    await other.connect();
    await other.joinOrThrow();
    expect(codeOf(await other.send(1, good))).toBe('UPDATE_NOT_IN_COHORT');
    expect(await stored()).toBe(0);
    expect((await getDetail(server)).members).toHaveLength(3);
  });

  it('Sybils come only as fast as the limit lets them, or by invitation', () => {
    expect(hasTest('apps/server/src/server.limits.test.ts', 'so many new contributors come in an hour')).toBe(
      true,
    );
    expect(hasTest('apps/server/src/server.access.test.ts', 'let so many in')).toBe(true);
  });

  it("is in no namespace but the two: socket.io's own lets nobody in", async () => {
    const socket = io(own(), { transports: ['websocket'], reconnection: false, forceNew: true });
    const refused = await new Promise<{ data?: { code: string } }>((done) => {
      socket.once('connect_error', done);
    });
    expect(refused.data).toMatchObject({ code: 'MESSAGE_INVALID' });
    socket.disconnect();
  });

  it('flooding is answered, and cut when it is gross; nobody is kept waiting by who does not read', () => {
    expect(hasTest('apps/server/src/server.limits.test.ts', 'so many messages come before it is cut')).toBe(
      true,
    );
    expect(hasTest('apps/server/src/server.limits.test.ts', 'a client that does not read')).toBe(true);
    expect(hasTest('apps/server/src/server.fuzz.test.ts', 'sent as much as it says')).toBe(true);
    expect(hasTest('apps/server/src/http/httpServer.test.ts', 'serves so many connections')).toBe(true);
    expect(Object.values(DEFAULT_LIMITS).every((limit) => limit > 0 && Number.isFinite(limit))).toBe(true);
  });
});

describe("other web page in the victim's browser", () => {
  it('opens no socket and changes nothing, with her cookies or without', async () => {
    const signedIn = await fetch(server.adminUrl, { redirect: 'manual' });
    const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    for (const origin of ['https://evil.example', 'null', own().replace(/:\d+$/, ':1')]) {
      const page = await site.contributor(server, { origin });
      await expect(page.connect()).rejects.toThrow('websocket error');
      const response = await fetch(`${own()}/api/admin/runs/${server.runId}/stop`, {
        method: 'POST',
        headers: { origin, cookie },
      });
      expect([origin, response.status]).toEqual([origin, 403]);
    }
    expect((await getRun(server)).state.status).toBe('recruiting');
  });

  it('gets nothing with her cookies from another port of the same host, where no Origin is sent', async () => {
    const signedIn = await fetch(server.adminUrl, { redirect: 'manual' });
    const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    const read = async (site: string) =>
      (
        await fetch(`${own()}/api/admin/runs/${server.runId}/adapter.zip`, {
          headers: { cookie, 'sec-fetch-site': site },
        })
      ).status;
    expect([await read('same-site'), await read('cross-site'), await read('same-origin')]).toEqual([
      403, 403, 200,
    ]);
  });

  it('has no cookie that contributors are known by on sockets', async () => {
    const [one] = await site.joined(server, 1);
    const socket = io(`${own()}/contribute`, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      extraHeaders: { cookie: `chorale_contributor=${Object.values(one!.identity!).join('.')}` },
    });
    const refused = await new Promise<{ data?: { code: string } }>((done) => {
      socket.once('connect_error', done);
    });
    expect(refused.data).toMatchObject({ code: 'MESSAGE_INVALID' });
    socket.disconnect();
  });

  it('neither frames the pages nor reads them, nor runs anything in them', () => {
    expect(hasTest('apps/server/src/server.http.test.ts', 'sends the security headers with everything')).toBe(
      true,
    );
  });
});

describe('other clients, model users: membership inference on the global model', () => {
  it('is answered by the privacy of each update', () => {
    expect(
      hasTest('packages/privacy/src/accounting/dpReference.test.ts', 'derived: Gaussian, one step'),
    ).toBe(true);
    expect(hasTest('packages/trainer/src/audit/audit.test.ts', 'and 4000 canaries show half')).toBe(true);
  });

  it('are told of each other only how many there are', async () => {
    const [one, other] = await site.joined(server, 2);
    const heard = JSON.stringify([one!.states, one!.rounds, await getRun(server)]);
    expect(heard).not.toContain(other!.identity!.contributorId);
    expect(heard).not.toContain(other!.identity!.token);
  });
});

describe('dependency: supply chain', () => {
  it('is held by a lock file with hashes, exact versions, and no script of a package at install', () => {
    const read = (path: string): string => readFileSync(resolve(REPOSITORY_ROOT, path), 'utf8');
    expect(read('pnpm-lock.yaml').match(/integrity: sha512-/g)!.length).toBeGreaterThan(100);
    const versions = [...read('pnpm-workspace.yaml').matchAll(/^ {4}'?[@\w/.-]+'?: (\S+)$/gm)].map(
      ([, version]) => version!,
    );
    expect(versions.length).toBeGreaterThan(20);
    for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+/);
  });
});
