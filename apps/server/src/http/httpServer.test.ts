import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import Fastify from 'fastify';
import { afterEach, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../access/limits.ts';
import type { TrustProxy } from '../settings/trustProxy.ts';
import { limitAnswerTime, limitConnections } from './httpServer.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function serverOf(trustProxy: TrustProxy): Promise<{ server: Server; open: () => Promise<boolean> }> {
  const server = createServer((_request, response) => response.end('here'));
  limitConnections(server, { ...DEFAULT_LIMITS, connections: 5, connectionsPerAddress: 1 }, trustProxy);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { server, open: () => answered(port) };
}

/** Opens a connection that stays, and asks something on it. @returns whether that was answered */
async function answered(port: number): Promise<boolean> {
  const socket: Socket = connect(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  return await new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(false));
    socket.once('data', () => resolve(true));
    socket.write('GET / HTTP/1.1\r\nHost: server\r\n\r\n');
  });
}

it('serves so many connections of an address at once, and more when one ends', async () => {
  const { server, open } = await serverOf(false);
  const all = await Promise.all(Array.from({ length: 70 }, open));
  // Twice the WebSockets, and 64
  expect(all.filter(Boolean)).toHaveLength(66);
  const ended = closing.splice(closing.length - 70);
  for (const end of ended) await end();
  await expect
    .poll(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count))))
    .toBe(0);
  expect(await open()).toBe(true);
});

it('counts nothing by address behind a proxy, and everything in all', async () => {
  const { server, open } = await serverOf(['127.0.0.1']);
  const all = await Promise.all(Array.from({ length: 70 }, open));
  expect(all.filter(Boolean)).toHaveLength(70);
  expect(server.maxConnections).toBe(2_005);
});

it('ends the connection of who reads an answer too slowly, and of nobody else', async () => {
  const app = Fastify();
  limitAnswerTime(app, 300);
  app.get('/endless', (_request, reply) =>
    reply.type('application/octet-stream').send(Readable.from(endless())),
  );
  app.get('/', () => 'here');
  await app.listen({ port: 0, host: '127.0.0.1' });
  closing.push(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const slow = connect(port, '127.0.0.1');
  const ended = new Promise<boolean>((resolve) => slow.once('close', () => resolve(true)));
  slow.on('error', () => undefined);
  slow.write('GET /endless HTTP/1.1\r\nHost: server\r\n\r\n');
  const kept = connect(port, '127.0.0.1');
  closing.push(() => kept.destroy());
  let answers = 0;
  kept.on('data', (data: Buffer) => {
    if (data.toString().includes('here')) answers += 1;
  });
  kept.write('GET / HTTP/1.1\r\nHost: server\r\n\r\n');
  slow.resume();
  expect(await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 3_000, false))])).toBe(true);
  // Its answer was through in time: the connection is there for the next
  kept.write('GET / HTTP/1.1\r\nHost: server\r\n\r\n');
  await expect.poll(() => answers).toBe(2);
});

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.alloc(10);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
