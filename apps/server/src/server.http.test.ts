import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import type { RunDetail } from '@chorale/protocol';
import { modelPiecePath, runDetailSchema, sha256Hex } from '@chorale/protocol';
import type { RunningServer } from './server.ts';
import { TestSite, asAdmin, codeOf, getRun, until } from './testServer.fixture.ts';

let site: TestSite;
let server: RunningServer;
let base: string;
const sockets: Socket[] = [];

beforeEach(async () => {
  site = new TestSite();
  site.buildPages();
  server = await site.start();
  base = server.contributeUrl.replace(/\/$/, '');
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.disconnect();
  await site.clean();
});

/** Opens the admin link as a browser would, without following it. */
async function signIn(url = server.adminUrl): Promise<{ response: Response; cookie: string }> {
  const response = await fetch(url, { redirect: 'manual' });
  return { response, cookie: response.headers.get('set-cookie')?.split(';')[0] ?? '' };
}

function adminSocket(headers: Record<string, string>): Socket {
  const socket = io(`${base}/admin`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    extraHeaders: headers,
  });
  sockets.push(socket);
  return socket;
}

const connectError = (socket: Socket): Promise<Error & { data?: { code: string } }> =>
  new Promise((resolve, reject) => {
    socket.once('connect_error', resolve);
    socket.once('connect', () => reject(new Error('it connected')));
  });

describe('foreign pages', () => {
  it('cannot open a WebSocket, whatever the namespace', async () => {
    for (const origin of ['http://evil.example', 'null', base.replace(/:\d+$/, ':1'), 'nonsense']) {
      const one = await site.contributor(server, { origin });
      await expect(one.connect()).rejects.toThrow('websocket error');
      const admin = adminSocket({ origin, authorization: `Bearer ${server.adminToken}` });
      await expect(connectError(admin)).resolves.toBeInstanceOf(Error);
    }
    const own = await site.contributor(server, { origin: base });
    expect(codeOf(await own.join())).toBe('ok');
  });

  it('cannot steer with the cookie of a signed-in browser', async () => {
    const { cookie } = await signIn();
    const response = await fetch(`${base}/api/admin/runs/${server.runId}/stop`, {
      method: 'POST',
      headers: { cookie, origin: 'http://127.0.0.1:1' },
    });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: 'ORIGIN_REFUSED', retryable: false } });
    expect((await getRun(server)).state.status).toBe('recruiting');
  });

  it('cannot fall back to polling', async () => {
    const response = await fetch(`${base}/socket.io/?EIO=4&transport=polling`);
    expect(response.status).toBe(400);
  });
});

describe('the admin', () => {
  it('signs in with the link and stays signed in over a restart', async () => {
    const { response, cookie } = await signIn();
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toBe('/admin');
    expect(response.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict/);
    const session = async (to: string, headers = {}) =>
      (await (await fetch(`${to}/api/admin/session`, { headers })).json()) as unknown;
    expect(await session(base, { cookie })).toEqual({ signedIn: true });
    expect(await session(base)).toEqual({ signedIn: false });
    expect(await session(base, { cookie: 'chorale_admin=wrong' })).toEqual({ signedIn: false });

    await site.stop(server);
    const old = server.adminToken;
    server = await site.start();
    const again = server.contributeUrl.replace(/\/$/, '');
    expect(server.adminToken).not.toBe(old);
    expect(await session(again, { cookie })).toEqual({ signedIn: true });
    expect(await session(again, { authorization: `Bearer ${old}` })).toEqual({ signedIn: false });
    expect(await session(again, { authorization: `Bearer ${server.adminToken}` })).toEqual({
      signedIn: true,
    });
  });

  it('is told when the link has expired', async () => {
    const { response, cookie } = await signIn(`${base}/admin?token=wrong`);
    expect(response.status).toBe(401);
    expect(cookie).toBe('');
    expect(await response.text()).toContain('when it last started');
    expect((await fetch(`${base}/admin?token=a&token=b`, { redirect: 'manual' })).status).toBe(401);
  });

  it('uses the token of the environment when it is given', async () => {
    await site.stop(server);
    server = await site.start({}, { adminToken: 'my-own-token' });
    expect((await asAdmin(server, 'runs')).status).toBe(200);
    expect(server.adminUrl).toContain('token=my-own-token');
  });

  it('needs the token for everything it may do', async () => {
    for (const [method, path] of [
      ['GET', 'runs'],
      ['POST', `runs/${server.runId}/pause`],
      ['POST', `runs/${server.runId}/resume`],
      ['POST', `runs/${server.runId}/stop`],
      ['GET', `runs/${server.runId}/adapter.zip`],
    ] as const) {
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: server.adminToken }]) {
        const response = await fetch(`${base}/api/admin/${path}`, { method, headers });
        expect(response.status).toBe(401);
        expect(await response.json()).toMatchObject({ error: { code: 'ADMIN_REQUIRED' } });
      }
    }
    expect((await getRun(server)).state.status).toBe('recruiting');
  });

  it('pauses, resumes and stops; what is not possible is refused', async () => {
    const act = async (action: string, runId = server.runId) => {
      const response = await asAdmin(server, `runs/${runId}/${action}`, { method: 'POST' });
      const body = (await response.json()) as RunDetail & { error?: { code: string } };
      return [response.status, body.error?.code ?? runDetailSchema.parse(body).state.status];
    };
    expect(await act('resume')).toEqual([409, 'RUN_STATE']);
    expect(await act('pause')).toEqual([200, 'paused']);
    expect(await act('pause')).toEqual([409, 'RUN_STATE']);
    expect(await act('resume')).toEqual([200, 'recruiting']);
    expect(await act('stop')).toEqual([200, 'stopped']);
    expect(await act('resume')).toEqual([409, 'RUN_ENDED']);
    expect(await act('pause', 'nothing')).toEqual([404, 'RUN_UNKNOWN']);
    expect((await asAdmin(server, `runs/${server.runId}/explode`, { method: 'POST' })).status).toBe(404);
  });

  it('sees every run on its socket, at once and on change; others do not', async () => {
    const refused = await connectError(adminSocket({}));
    expect(refused.data).toMatchObject({ code: 'ADMIN_REQUIRED' });
    const { cookie } = await signIn();
    for (const headers of [{ cookie }, { authorization: `Bearer ${server.adminToken}` }]) {
      const details: RunDetail[] = [];
      adminSocket(headers).on('run:detail', (detail: RunDetail) =>
        details.push(runDetailSchema.parse(detail)),
      );
      await until(() => details.length > 0, 'the first detail');
      const before = details[0]!.contributors.length;
      await (await site.contributor(server)).joinOrThrow();
      const last = await until(() => details.find((one) => one.contributors.length > before), 'the change');
      expect(last.contributors.at(-1)).toMatchObject({ online: true, availability: 'available', rounds: 0 });
    }
  });

  it('hears a burst of changes in a few messages, the last of them whole', async () => {
    const details: RunDetail[] = [];
    adminSocket({ authorization: `Bearer ${server.adminToken}` }).on('run:detail', (one: RunDetail) =>
      details.push(one),
    );
    await until(() => details.length > 0, 'the first detail');
    const one = await site.contributor(server);
    await one.joinOrThrow();
    for (let k = 0; k < 40; k++) {
      const availability = k % 2 === 1 ? 'available' : 'paused';
      await one.ask('availability', { availability });
    }
    await until(() => details.at(-1)?.contributors[0]?.availability === 'available', 'the last change');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(details.at(-1)!.contributors[0]).toMatchObject({ availability: 'available' });
    expect(details.length).toBeLessThan(12);
  });
});

describe('pages and files', () => {
  it('serves both pages, and the admin page for addresses inside it', async () => {
    const title = async (path: string) =>
      /<title>(.*)<\/title>/.exec(await (await fetch(base + path)).text())?.[1];
    expect(await title('/')).toBe('contributor');
    expect(await title('/admin')).toBe('admin');
    expect(await title('/admin/')).toBe('admin');
    expect(await title('/admin/runs/abc')).toBe('admin');
    expect(await (await fetch(`${base}/assets/index-abc.js`)).text()).toBe('// contributor');
    expect(await (await fetch(`${base}/admin/assets/index-abc.js`)).text()).toBe('// admin');
    const cache = async (path: string) => (await fetch(base + path)).headers.get('cache-control');
    expect(await cache('/')).toBe('no-cache');
    expect(await cache('/admin/runs/abc')).toBe('no-cache');
    expect(await cache('/assets/index-abc.js')).toContain('immutable');
    for (const path of ['/missing.js', '/admin/missing.js', '/api/missing', '/../package.json']) {
      const response = await fetch(base + path);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: 'MESSAGE_INVALID' } });
    }
  });

  it('says what to run when the pages are not built', async () => {
    await site.stop(server);
    const { rmSync } = await import('node:fs');
    rmSync(site.pages.contributor, { recursive: true });
    rmSync(site.pages.admin, { recursive: true });
    server = await site.start();
    for (const path of ['', 'admin']) {
      const response = await fetch(server.contributeUrl + path);
      expect(response.status).toBe(503);
      expect(await response.text()).toContain('npm run build');
    }
    expect((await fetch(`${server.contributeUrl}healthz`)).status).toBe(200);
  });

  it('serves the model files of a plan, for ever, and no others', async () => {
    const { run } = await getRun(server);
    expect(run.plan.model.files.map(({ name }) => name)).toEqual(['config.json', 'weights.bin']);
    for (const piece of run.plan.model.files.flatMap(({ pieces }) => pieces)) {
      const response = await fetch(base + modelPiecePath(piece));
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(response.headers.get('cross-origin-resource-policy')).toBe('same-origin');
      const bytes = new Uint8Array(await response.arrayBuffer());
      expect(bytes.byteLength).toBe(piece.sizeBytes);
      expect(await sha256Hex(bytes)).toBe(piece.sha256);
      const etag = response.headers.get('etag')!;
      const again = await fetch(base + modelPiecePath(piece), { headers: { 'if-none-match': etag } });
      expect([again.status, (await again.arrayBuffer()).byteLength]).toEqual([304, 0]);
    }
    // The public test file lies in the same folder, and is of no model
    const testFile = createHash('sha256').update('one\ntwo\n').digest('hex');
    expect(existsSync(`${site.dataDir}/files/${testFile}`)).toBe(true);
    for (const path of [testFile, '..%2Fchorale.sqlite', 'none', 'none/config.json']) {
      expect((await fetch(`${base}/models/${path}`)).status).toBe(404);
    }
  });

  it('has no run under an unknown id', async () => {
    const response = await fetch(`${base}/api/runs/none`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      error: { code: 'RUN_UNKNOWN', message: expect.any(String), retryable: false },
    });
  });

  it('sends the security headers with everything, errors too', async () => {
    for (const path of [
      '/',
      '/admin',
      '/api/runs/current',
      '/api/runs/none',
      '/missing',
      '/healthz',
      '/%E0%A4%A',
    ]) {
      const { headers } = await fetch(base + path);
      const csp = headers.get('content-security-policy')!;
      for (const directive of [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "worker-src 'self'",
        `connect-src 'self' ws://${new URL(base).host} wss://${new URL(base).host}`,
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ]) {
        expect(csp.split(';')).toContain(directive);
      }
      expect(Object.fromEntries(headers)).toMatchObject({
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
        'cross-origin-resource-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
        'permissions-policy': expect.stringContaining('camera=()') as string,
      });
      expect(csp).not.toContain('unsafe-inline');
      // It came over http
      expect(headers.get('strict-transport-security')).toBeNull();
    }
  });

  it('answers addresses that are none in the form of every error', async () => {
    for (const path of ['/%E0%A4%A', '/models/%zz', '/api/runs/%ff?x=1']) {
      const response = await fetch(base + path);
      expect([path, response.status, response.headers.get('x-request-id')]).toEqual([
        path,
        404,
        expect.stringMatching(/^[0-9a-f]{12}$/),
      ]);
      expect(await response.json()).toEqual({
        error: { code: 'MESSAGE_INVALID', message: expect.any(String) as string, retryable: false },
      });
    }
  });

  it('puts nothing into the policy that a Host header could smuggle in', async () => {
    const { port } = new URL(base);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(
          "GET /healthz HTTP/1.1\r\nHost: a; script-src 'unsafe-inline'\r\nConnection: close\r\n\r\n",
        ),
      );
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).not.toContain("script-src 'unsafe-inline'");
  });
});
