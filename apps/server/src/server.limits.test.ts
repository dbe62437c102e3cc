import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_ROUND_TIMING } from '@chorale/coordinator';
import { CONTRIBUTE_NAMESPACE, PROTOCOL_VERSION } from '@chorale/protocol';
import { randomToken } from './identity.ts';
import { testAccess } from './access/access.fixture.ts';
import { DEFAULT_LIMITS } from './access/limits.ts';
import type { Limits } from './access/limits.ts';
import { openDataDirectory } from './dataDirectory.ts';
import { noObserver } from './observer.ts';
import type { RunAudience } from './runs/runAudience.ts';
import { RunRegistry } from './runs/runRegistry.ts';
import type { RunningServer } from './server.ts';
import { unreadBytes } from './sockets/transport.ts';
import { serveContributors } from './sockets/contributeNamespace.ts';
import { openSocketServer } from './sockets/socketServer.ts';
import { TestSite, codeOf, getDetail, testParts, until } from './testServer.fixture.ts';
import { RawWebSocket, binary, text } from './testing/rawWebSocket.ts';
import { recordedLog } from './testing/recordedLog.ts';

let site: TestSite;
let server: RunningServer;
const closing: (() => unknown)[] = [];

async function open(limits: Partial<Limits>): Promise<void> {
  site = new TestSite();
  server = await site.start({}, { settings: { limits: { ...DEFAULT_LIMITS, ...limits } } });
}
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await site.clean();
});

function raw(url = server.contributeUrl): RawWebSocket {
  const socket = new RawWebSocket(url);
  closing.push(() => socket.end());
  return socket;
}
const opening = () => ({ protocolVersion: PROTOCOL_VERSION, runId: server.runId });
const handshake = () => ({ ...opening(), newToken: randomToken() });

describe('of an address', () => {
  it('so many sockets are open at once', async () => {
    await open({ connectionsPerAddress: 3 });
    const open3 = [raw(), raw(), raw()];
    for (const one of open3) expect(await one.upgrade()).toContain('101');
    expect(await raw().upgrade()).toContain('400');
    open3[0]!.end();
    await until(async () => (await raw().upgrade()).includes('101'), 'the place that became free');
  });

  it('and of all addresses together so many', async () => {
    await open({ connections: 2 });
    const open2 = [raw(), raw()];
    for (const one of open2) expect(await one.upgrade()).toContain('101');
    expect(await raw().upgrade()).toContain('400');
  });

  it('so many new contributors come in an hour; who is one already comes back', async () => {
    await open({ joinsPerAddressPerHour: 2 });
    const [a] = await site.joined(server, 2);
    const third = await site.contributor(server);
    const refused = await third.join();
    expect(refused).toMatchObject({ ok: false, error: { code: 'RATE_LIMITED', retryable: true } });
    for (let k = 0; k < 5; k++) {
      await a!.connect();
      expect(codeOf(await a!.join())).toBe('ok');
    }
    expect((await getDetail(server)).contributors).toHaveLength(2);
  });

  it('so many requests come in a minute, sockets among them', async () => {
    await open({ requestsPerMinutePerAddress: 20 });
    const statuses: number[] = [];
    for (let k = 0; k < 25; k++) {
      const response = await fetch(`${server.contributeUrl}api/runs/${k % 2 ? 'current' : 'missing'}`);
      statuses.push(response.status);
    }
    const over = await fetch(server.contributeUrl);
    expect(over.headers.get('retry-after')).toBe('10');
    expect(over.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await over.json()).toMatchObject({ error: { code: 'RATE_LIMITED', retryable: true } });
    expect(statuses.filter((status) => status !== 429).length).toBeLessThanOrEqual(21);
    expect(statuses.at(-1)).toBe(429);
    expect(await raw().upgrade()).toContain('400');
  });

  it('so many wrong admin tokens are looked at', async () => {
    await open({ signInsPerMinutePerAddress: 3 });
    const status = async (token: string) =>
      (await fetch(`${server.contributeUrl}admin?token=${token}`, { redirect: 'manual' })).status;
    expect(await status(encodeURIComponent(server.adminToken))).toBe(303);
    expect([await status('a'), await status('b'), await status('c')]).toEqual([401, 401, 401]);
    expect([await status('d'), await status(encodeURIComponent(server.adminToken))]).toEqual([429, 429]);
  });
});

describe('of a socket', () => {
  it('so many messages are taken, each kind by itself; what is over is answered, and does nothing', async () => {
    await open({ messagesPerSecond: 4 });
    const [one] = await site.joined(server, 1);
    const codes: string[] = [];
    for (let k = 0; k < 30; k++)
      codes.push(codeOf(await one!.ask('availability', { availability: 'paused' })));
    const taken = codes.filter((code) => code === 'ok').length;
    // Ten seconds' worth of two a second, and what came back meanwhile
    expect(taken).toBeGreaterThanOrEqual(20);
    expect(taken).toBeLessThan(26);
    expect(codes.slice(taken)).toEqual(codes.slice(taken).map(() => 'RATE_LIMITED'));
    expect(await one!.ask('availability', { availability: 'available' })).toMatchObject({
      error: { code: 'RATE_LIMITED', retryable: true },
    });
    expect((await getDetail(server)).contributors).toMatchObject([{ availability: 'paused', online: true }]);
    // Another kind has its own, until the socket's is used up
    expect(codeOf(await one!.ask('update', {}, new Uint8Array(3)))).toBe('MESSAGE_INVALID');
    expect(one!.socket.connected).toBe(true);
  });

  it('so many messages come before it is cut', async () => {
    await open({ messagesPerSecond: 4 });
    const socket = raw();
    expect(await socket.join(CONTRIBUTE_NAMESPACE, handshake())).toBe(true);
    for (let k = 0; k < 500; k++) socket.write(text('42/contribute,1["availability",{}]'));
    expect(await socket.cut()).toBe(true);
  });

  it('so many bytes come in a minute', async () => {
    // At least eight of the largest messages, which has some hundred bytes here
    await open({ bytesPerMinute: 20_000 });
    const quiet = raw();
    await quiet.join(CONTRIBUTE_NAMESPACE, handshake());
    const socket = raw();
    expect(await socket.join(CONTRIBUTE_NAMESPACE, handshake())).toBe(true);
    const padding = ' '.repeat(3_000);
    for (let k = 0; k < 4; k++) socket.write(text(`42/contribute,["leave",{"x":"${padding}"}]`));
    expect(await socket.cut(300)).toBe(false);
    for (let k = 0; k < 4; k++) socket.write(text(`42/contribute,["leave",{"x":"${padding}"}]`));
    expect(await socket.cut()).toBe(true);
    expect(quiet.closed).toBe(false);
  });

  it('one attachment follows a message', async () => {
    await open({});
    const socket = raw();
    expect(await socket.join(CONTRIBUTE_NAMESPACE, handshake())).toBe(true);
    const announced = (count: number) =>
      `45${count}-/contribute,7["update",{"round":1},${Array.from({ length: count }, (_, num) => `{"_placeholder":true,"num":${num}}`).join(',')}]`;
    socket.write(text(announced(1)));
    socket.write(binary(new Uint8Array(10)));
    expect(await socket.until('NOT_JOINED')).toBe(true);
    socket.write(text(announced(10)));
    socket.write(binary(new Uint8Array(10)));
    expect(await socket.cut(200)).toBe(false);
    socket.write(binary(new Uint8Array(10)));
    expect(await socket.cut()).toBe(true);
  });
});

describe('time', () => {
  it('ends a WebSocket that joins no namespace, and a request that does not come to its end', async () => {
    await open({});
    const sockets = [raw(), raw(), raw(), raw()];
    const [silent, slowHeaders, slowBody, nowhere] = sockets;
    expect(await silent!.upgrade()).toContain('101');
    // socket.io's own namespace lets nobody in, so this one is as silent
    expect(await nowhere!.upgrade()).toContain('101');
    nowhere!.write(text('40'));
    expect(await nowhere!.until('44{"message":"expected a namespace of Chorale')).toBe(true);
    expect(nowhere!.received).not.toContain('40{"sid"');
    slowHeaders!.write('GET / HTTP/1.1\r\nHost: server\r\n');
    slowBody!.write(
      `POST /api/runs/${server.runId}/identity HTTP/1.1\r\nHost: server\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
    );
    const trickle = setInterval(() => slowHeaders!.write('X-More: 1\r\n'), 500);
    closing.push(() => clearInterval(trickle));
    expect(await Promise.all(sockets.map((one) => one.cut(25_000)))).toEqual(sockets.map(() => true));
  }, 30_000);

  it('ends a WebSocket with the one socket it had', async () => {
    await open({});
    const socket = raw();
    expect(await socket.join(CONTRIBUTE_NAMESPACE, handshake())).toBe(true);
    socket.write(text('41/contribute,'));
    expect(await socket.cut()).toBe(true);
  });

  it('ends a socket that has not joined its run', async () => {
    await open({});
    const [joined] = await site.joined(server, 1);
    const { identity } = joined!;
    await site.stop(server);
    // The same parts as `startServer` puts together, with less patience
    const data = openDataDirectory(site.dataDir);
    const { access } = testAccess({ store: data.store });
    const { log } = recordedLog();
    const nobody: RunAudience = {
      startRound: () => undefined,
      endRound: () => undefined,
      roundRecord: () => undefined,
      changed: () => undefined,
      dropConnection: () => undefined,
    };
    const registry = new RunRegistry({
      data,
      parts: testParts,
      log,
      timing: DEFAULT_ROUND_TIMING,
      observer: noObserver,
      keepUpdates: 'none',
      audience: nobody,
    });
    const http = createServer();
    const largestMessageBytes = registry.largestMessageBytes();
    const { io, connections } = openSocketServer(http, { access, largestMessageBytes });
    serveContributors(io.of(CONTRIBUTE_NAMESPACE), {
      registry,
      access,
      connections,
      log,
      joinTimeoutMs: 150,
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    closing.push(async () => {
      await io.close();
      registry.close();
      data.close();
    });
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
    const { runId, planHash, plan } = joined!.run;
    const [idle, busy] = [raw(url), raw(url)];
    expect(await idle.join(CONTRIBUTE_NAMESPACE, { ...opening(), identity })).toBe(true);
    expect(await busy.join(CONTRIBUTE_NAMESPACE, { ...handshake(), runId })).toBe(true);
    const message = { planHash, basisHash: plan.basisHash, backend: 'wasm', availability: 'available' };
    busy.write(text(`42/contribute,1["join",${JSON.stringify({ ...message, chargedRounds: [] })}]`));
    expect(await idle.cut()).toBe(true);
    expect(await busy.cut(400)).toBe(false);
  });
});

describe('a client that does not read', () => {
  it('has so much kept for it, and is cut then', async () => {
    site = new TestSite();
    const { access } = testAccess();
    const http = createServer();
    const { io, connections } = openSocketServer(http, { access, largestMessageBytes: 64 * 1024 });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    closing.push(() => io.close());
    const pieces = io.of('/pieces');
    const client = raw(`http://127.0.0.1:${(http.address() as AddressInfo).port}/`);
    expect(await client.join('/pieces', {})).toBe(true);
    const [socket] = [...pieces.sockets.values()];
    client.tcp.pause();
    const piece = Buffer.alloc(64 * 1024, 1);
    let sent = 0;
    let kept = 0;
    while (!connections.cutUnread(socket!.conn) && sent < 64 * 2 ** 20) {
      socket!.emit('piece', piece);
      sent += piece.length;
      kept = Math.max(kept, unreadBytes(socket!.conn));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Two messages and 4 MiB, what one emit adds, and no more; the rest is in the kernel
    expect(sent).toBeLessThan(64 * 2 ** 20);
    expect(kept).toBeGreaterThan(4 * 2 ** 20);
    expect(kept).toBeLessThan(4 * 2 ** 20 + 4 * piece.length);
    await until(() => !socket!.connected, 'its end');
    client.tcp.resume();
    expect(await client.cut()).toBe(true);
  });
});
