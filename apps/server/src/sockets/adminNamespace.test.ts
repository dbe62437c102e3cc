import type { AddressInfo } from 'node:net';
import fastifyCookie from '@fastify/cookie';
import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { io as connectTo } from 'socket.io-client';
import { ADMIN_NAMESPACE } from '@chorale/protocol';
import { testAccess } from '../access/access.fixture.ts';
import { ADMIN_COOKIE, SESSION_SECONDS } from '../adminAccess.ts';
import { recordedLog } from '../testing/recordedLog.ts';
import { until } from '../testing/until.ts';
import { serveAdmins } from './adminNamespace.ts';
import { openSocketServer } from './socketServer.ts';

it('shows nothing more to an admin whose session has expired', async () => {
  let nowMs = 1e12;
  const { access } = testAccess({ now: () => nowMs });
  const app = Fastify();
  await app.register(fastifyCookie);
  const { io, connections } = openSocketServer(app.server, { access, largestMessageBytes: 1_000 });
  const registry = { list: () => [], detail: () => Promise.reject(new Error('there is no run')) };
  serveAdmins(io.of(ADMIN_NAMESPACE), {
    registry,
    access,
    connections,
    log: recordedLog().log,
    checkMs: 20,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const session = access.admin.signIn('the-token', '127.0.0.1');
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}${ADMIN_NAMESPACE}`;
  const socket = connectTo(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    extraHeaders: { cookie: `${ADMIN_COOKIE}=${session}` },
  });
  try {
    await until(() => socket.connected, 'the admin socket');
    nowMs += SESSION_SECONDS * 1000 - 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(socket.connected).toBe(true);
    nowMs += 1;
    await until(() => !socket.connected, 'its end');
  } finally {
    socket.disconnect();
    await io.close();
  }
});
