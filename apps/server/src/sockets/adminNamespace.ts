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
    // socket.io sends `message` and `data` to the client as its connect_error.
    const refuse = (error: ChoraleError) => next(Object.assign(error, { data: wireError(error) }));
    try {
      const session = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[ADMIN_COOKIE];
      if (access.allows({ session, authorization })) return next();
      refuse(
        new ChoraleError(
          'ADMIN_REQUIRED',
          'sign in with the admin link that the server printed when it started',
        ),
      );
    } catch (error) {
      log('error', 'an admin could not be let in', error);
      refuse(new ChoraleError('STORE_ERROR', 'the server could not read its sessions; try again'));
    }
  });
  namespace.on('connection', (socket) => {
    socket.on('error', (error) => log('warning', 'admin socket', error));
    const sendAll = async (): Promise<void> => {
      for (const host of registry.list()) socket.emit('run:detail', await registry.detail(host));
    };
    sendAll().catch((error: unknown) => {
      log('error', 'the runs could not be sent to an admin', error);
      // The page connects again by itself and asks anew
      socket.disconnect(true);
    });
  });
}

export async function sendRunDetail(
  namespace: AdminNamespace,
  registry: RunRegistry,
  host: RunHost,
): Promise<void> {
  if (namespace.sockets.size > 0) namespace.emit('run:detail', await registry.detail(host));
}
