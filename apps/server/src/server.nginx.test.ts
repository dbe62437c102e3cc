import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PublicRun } from '@chorale/protocol';
import { DEFAULT_LIMITS } from './access/limits.ts';
import type { RunningServer } from './server.ts';
import type { TestProxy } from './testing/nginx.ts';
import { startNginx } from './testing/nginx.ts';
import { freePort } from './testing/serverProcess.ts';
import { ScriptedContributor, TestSite, codeOf, testParts, until } from './testServer.fixture.ts';

/** 8 MB an update: a large adapter's. */
const PARAMETERS = 2_000_000;
const CONNECTIONS = 3;

let site: TestSite;
let server: RunningServer;
let proxy: TestProxy;
let plain: string;
let run: PublicRun;

beforeAll(async () => {
  site = new TestSite();
  site.buildPages();
  const ports = { https: await freePort(), server: await freePort() };
  proxy = await startNginx(site.directory, ports);
  server = await site.start(
    {
      describeAdapter: async (files, config) => ({
        ...(await testParts.describeAdapter(files, config)),
        parameterCount: PARAMETERS,
        tensors: [{ name: 'classifier.weight', count: PARAMETERS }],
        trainedRanges: [{ start: 0, end: PARAMETERS }],
        initialParameters: new Float32Array(PARAMETERS),
      }),
    },
    {
      settings: {
        port: ports.server,
        trustProxy: ['127.0.0.1'],
        publicOrigins: [proxy.origin],
        limits: { ...DEFAULT_LIMITS, connectionsPerAddress: CONNECTIONS },
      },
    },
  );
  plain = `http://127.0.0.1:${ports.server}`;
  run = (await (await fetch(`${plain}/api/runs/current`)).json()) as PublicRun;
}, 600_000);
afterAll(async () => {
  await proxy?.stop();
  await site.clean();
});

/** Asks through nginx, from an address of this machine's choice. */
async function ask(
  path: string,
  {
    from = '127.0.0.1',
    headers = {},
    tls = {},
  }: { from?: string; headers?: Record<string, string>; tls?: object } = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
  return await new Promise((resolve, reject) => {
    const options = { ca: proxy.certificate, localAddress: from, headers, agent: false, ...tls };
    request(proxy.origin + path, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    })
      .on('error', reject)
      .end();
  });
}

function contributor(from = '127.0.0.1', origin = proxy.origin): ScriptedContributor {
  // engine.io hands it on to the WebSocket; its types know no `localAddress`
  const tls = { ca: proxy.certificate, localAddress: from };
  return new ScriptedContributor({ contributeUrl: `${proxy.origin}/` }, run, undefined, {
    ...tls,
    extraHeaders: { origin, 'x-forwarded-for': '203.0.113.9' },
  });
}

it('lets a contributor take part over wss, with updates of eight megabytes', async () => {
  const all = [contributor(), contributor('127.0.0.2')];
  for (const one of all) await one.joinOrThrow();
  for (const one of all) {
    const { parameters } = await one.round(1);
    expect(parameters).toHaveLength(PARAMETERS);
    const values = new Float32Array(PARAMETERS).fill(0.25);
    expect(await one.send(1, [...values])).toEqual({ ok: true, value: { round: 1, duplicate: false } });
  }
  for (const one of all) {
    await until(() => one.records.find(({ round }) => round === 1), 'the end of the round');
    one.socket.disconnect();
  }
});

it('lets only pages of its own origin in', async () => {
  for (const origin of ['https://evil.example', proxy.origin.replace('https', 'http'), plain]) {
    const one = contributor('127.0.0.3', origin);
    await expect(one.connect()).rejects.toThrow('websocket error');
  }
  const one = contributor('127.0.0.3');
  expect(codeOf(await one.connect())).toBe('ok');
  one.socket.disconnect();
});

it('signs the admin in with a cookie that goes over https only, and says so to browsers', async () => {
  const page = await ask(`/admin?token=${encodeURIComponent(server.adminToken)}`);
  expect(page.status).toBe(303);
  expect(page.headers['set-cookie']![0]!.split('; ')).toEqual(
    expect.arrayContaining(['Secure', 'HttpOnly', 'SameSite=Strict']),
  );
  expect(page.headers['strict-transport-security']).toMatch(/^max-age=\d{7,}/);
  expect(page.headers['content-security-policy']).toContain(proxy.origin.replace('https', 'wss'));
  const cookie = page.headers['set-cookie']![0]!.split(';')[0]!;
  expect((await ask('/api/admin/runs', { headers: { cookie } })).status).toBe(200);
  expect((await ask('/api/admin/runs')).status).toBe(401);
  // The log of nginx has the path, and no token
  const log = readFileSync(join(site.directory, 'nginx/access.log'), 'utf8');
  expect(log).toContain('"GET /admin" 303');
  expect(log).not.toContain(server.adminToken);
});

it('sees who asks, and believes nobody who says it herself', async () => {
  const forged = {
    'x-forwarded-for': '203.0.113.9',
    'x-real-ip': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
  };
  const { headers } = await ask('/nowhere', { from: '127.0.0.7', headers: forged });
  const line = await until(
    () => site.logged.find(({ requestId }) => requestId === headers['x-request-id']),
    'the line of the request',
  );
  expect(line).toMatchObject({ path: '/nowhere', status: 404, address: '127.0.0.7' });
});

it('counts sockets by the address they come from', async () => {
  const open: ScriptedContributor[] = [];
  for (let k = 0; k < CONNECTIONS; k++) {
    open.push(contributor('127.0.0.8'));
    expect(codeOf(await open.at(-1)!.connect())).toBe('ok');
  }
  await expect(contributor('127.0.0.8').connect()).rejects.toThrow('websocket error');
  open.push(contributor('127.0.0.9'));
  expect(codeOf(await open.at(-1)!.connect())).toBe('ok');
  for (const one of open) one.socket.disconnect();
});

it('believes X-Forwarded-Proto of the proxy only', async () => {
  const direct = await fetch(`${plain}/`, { headers: { 'x-forwarded-proto': 'https' } });
  // From 127.0.0.1 it is as good as the proxy itself
  expect(direct.headers.get('strict-transport-security')).not.toBe(null);
  const other = await askPlain('127.0.0.2', { 'x-forwarded-proto': 'https' });
  expect(other['strict-transport-security']).toBe(undefined);
});

it('keeps /metrics inside, sends http to https, and speaks nothing older than TLS 1.2', async () => {
  expect((await ask('/metrics')).status).toBe(404);
  const redirect = await fetch(`${proxy.plainOrigin}/?run=x`, { redirect: 'manual' });
  expect([redirect.status, redirect.headers.get('location')]).toEqual([301, 'https://127.0.0.1/?run=x']);
  await expect(
    ask('/', { tls: { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } }),
  ).rejects.toThrow(/alert protocol version|unsupported protocol/i);
  expect((await ask('/', { tls: { maxVersion: 'TLSv1.2' } })).status).toBe(200);
  expect((await ask('/', { tls: { minVersion: 'TLSv1.3' } })).status).toBe(200);
});

it('writes the admin token into none of its logs, over http or while the server is away either', async () => {
  const token = server.adminToken;
  await fetch(`${proxy.plainOrigin}/admin?token=${token}`, { redirect: 'manual' });
  await site.stop(server);
  const path = `/admin?token=${token}`;
  expect((await ask(path)).status).toBe(502);
  expect((await ask('/somewhere?x=1')).status).toBe(502);
  await until(() => proxy.logs().includes('/somewhere?x=1'), 'its line of errors');
  const logs = proxy.logs();
  // Of the link only that it was opened
  expect(logs).toContain('"GET /admin" 502');
  expect(logs).not.toContain(token);
});

async function askPlain(from: string, headers: Record<string, string>): Promise<IncomingHttpHeaders> {
  return await new Promise((resolve, reject) => {
    httpRequest(`${plain}/`, { localAddress: from, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.headers);
    })
      .on('error', reject)
      .end();
  });
}
