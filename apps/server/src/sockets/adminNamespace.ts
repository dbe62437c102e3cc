import fastifyCookie from '@fastify/cookie';
import type { Namespace } from 'socket.io';
import type { ServerToAdmin } from '@chorale/protocol';
import { ChoraleError, wireError } from '@chorale/protocol';
import type { AdminAccess } from '../adminAccess.ts';
import { ADMIN_COOKIE } from '../adminAccess.ts';
import type { Log } from '../log.ts';
import type { RunHost } from '../runs/runHost.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';

type NoEvents = Record<string, never>;
export type AdminNamespace = Namespace<NoEvents, ServerToAdmin, NoEvents, unknown>;

/** Shows admins every run: whole at the connection, then whole again on every change. */
export function serveAdmins(
  namespace: AdminNamespace,
  registry: RunRegistry,
  access: AdminAccess,
  log: Log,
): void {
  namespace.use((socket, next) => {
    const { cookie, authorization } = socket.handshake.headers;
    const session = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[ADMIN_COOKIE];
    if (access.allows({ session, authorization })) return next();
    const error = new ChoraleError(
      'ADMIN_REQUIRED',
      'sign in with the admin link that the server printed when it started',
    );
    // socket.io sends `message` and `data` to the client as its connect_error.
    next(Object.assign(error, { data: wireError(error) }));
  });
  namespace.on('connection', (socket) => {
    socket.on('error', (error) => log('warning', 'admin socket', error));
    for (const host of registry.list()) socket.emit('run:detail', registry.detail(host));
  });
}

export function sendRunDetail(namespace: AdminNamespace, registry: RunRegistry, host: RunHost): void {
  if (namespace.sockets.size > 0) namespace.emit('run:detail', registry.detail(host));
}
