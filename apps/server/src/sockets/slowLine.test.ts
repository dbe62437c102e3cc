import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Socket as ServerSocket } from 'socket.io';
import type { Socket } from 'socket.io-client';
import { io as connectTo } from 'socket.io-client';
import { testAccess } from '../access/access.fixture.ts';
import { SlowLine } from '../testing/slowLine.ts';
import { until } from '../testing/until.ts';
import { openSocketServer } from './socketServer.ts';

/*
 * An update of RoBERTa-base (590 KB) over 100 kbit/s takes 47 s, with pings every 10 s and 25 s of silence allowed. Here:
 * the same line and the same shares with a fifteenth of the bytes and the times.
 */
const BYTES_PER_SECOND = 12_500;
const MESSAGE_BYTES = 40_000;
const PING_INTERVAL_MS = 660;
const SILENCE_MS = 1_650;

let line: SlowLine;
let client: Socket;
let far: ServerSocket;
const received: number[] = [];
const ends: string[] = [];
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  received.length = 0;
  ends.length = 0;
  const http = createServer();
  const { io } = openSocketServer(http, {
    access: testAccess().access,
    largestMessageBytes: MESSAGE_BYTES,
    pingIntervalMs: PING_INTERVAL_MS,
    silenceMs: SILENCE_MS,
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const joined = new Promise<ServerSocket>((resolve) => {
    io.of('/updates').on('connection', (socket) => {
      socket.on('update', (bytes: Buffer, answer: () => void) => {
        received.push(bytes.length);
        answer();
      });
      socket.on('disconnect', (reason) => ends.push(`server: ${reason}`));
      resolve(socket);
    });
  });
  line = new SlowLine((http.address() as AddressInfo).port, BYTES_PER_SECOND);
  client = connectTo(`${await line.open()}/updates`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
  });
  client.on('disconnect', (reason) => ends.push(`client: ${reason}`));
  closing.push(
    () => line.close(),
    () => client.disconnect(),
    () => io.close(),
  );
  far = await joined;
  await until(() => client.connected, 'the connection');
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

it('brings a whole update, although no pong comes while it is under way', async () => {
  const startMs = performance.now();
  await client.timeout(20_000).emitWithAck('update', new Uint8Array(MESSAGE_BYTES));
  // Longer than a silent connection lives
  expect(performance.now() - startMs).toBeGreaterThan(SILENCE_MS + PING_INTERVAL_MS);
  expect([received, ends]).toEqual([[MESSAGE_BYTES], []]);
}, 30_000);

it('brings a whole adapter, although no ping arrives while it is under way', async () => {
  const arrived = new Promise<number>((resolve) => {
    client.once('adapter', (bytes: Uint8Array) => resolve(bytes.length));
  });
  far.emit('adapter', Buffer.alloc(MESSAGE_BYTES));
  expect(await arrived).toBe(MESSAGE_BYTES);
  // Idle afterwards: pongs come again
  await new Promise((resolve) => setTimeout(resolve, SILENCE_MS + PING_INTERVAL_MS));
  expect(ends).toEqual([]);
}, 30_000);

it('notices soon that a line is dead, also in the middle of an update', async () => {
  const startMs = performance.now();
  client.emit('update', new Uint8Array(MESSAGE_BYTES));
  await new Promise((resolve) => setTimeout(resolve, 500));
  line.die();
  await until(() => ends.find((end) => end.startsWith('server')), 'the end');
  // Long before the time that the whole of an update may take
  expect(performance.now() - startMs).toBeLessThan(500 + 2 * SILENCE_MS);
  expect(received).toEqual([]);
}, 30_000);
