import fastifyCookie from '@fastify/cookie';
import type { Namespace, Socket } from 'socket.io';
import type { ServerToAdmin } from '@chorale/protocol';
import { ChoraleError, wireError } from '@chorale/protocol';
import type { Access } from '../access/access.ts';
import type { AdminCredentials } from '../adminAccess.ts';
import { ADMIN_COOKIE } from '../adminAccess.ts';
import type { Log } from '../log.ts';
import type { RunHost } from '../runs/runHost.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import type { Connections } from './connections.ts';
import { connectError, serverClosing } from './handshake.ts';

type NoEvents = Record<string, never>;
type SocketData = { credentials: AdminCredentials };
export type AdminNamespace = Namespace<NoEvents, ServerToAdmin, NoEvents, SocketData>;
type AdminSocket = Socket<NoEvents, ServerToAdmin, NoEvents, SocketData>;

/** How often it is looked whether what let an admin in is valid still: sessions expire. */
const CHECK_MS = 60_000;

export type AdminsOptions = {
  registry: Pick<RunRegistry, 'list' | 'detail'>;
  access: Access;
  connections: Connections;
  log: Log;
  checkMs?: number;
};

/** Shows admins every run: whole at the connection, then whole again on every change. They send nothing. */
export function serveAdmins(
  namespace: AdminNamespace,
  { registry, access, connections, log, checkMs = CHECK_MS }: AdminsOptions,
): void {
  const endUnless = (socket: AdminSocket): void => {
    if (!access.admin.holds(socket.data.credentials)) socket.disconnect(true);
  };
  namespace.use((socket, next) => {
    try {
      if (access.closing) throw serverClosing();
      if (!connections.claim(socket.conn)) {
        throw new ChoraleError('MESSAGE_INVALID', 'expected one socket per connection; open another');
      }
      socket.data.credentials = credentialsOf(socket, access);
      access.admin.require(socket.data.credentials);
      next();
    } catch (error) {
      const { code } = wireError(error);
      if (code === 'INTERNAL' || code.startsWith('STORE_')) {
        log.error({ err: error }, 'an admin could not be let in');
      }
      access.observer.refused('connection', code);
      next(connectError(error));
    }
  });
  namespace.on('connection', (socket) => {
    socket.on('error', (error) => log.warn({ err: error }, 'admin socket'));
    const check = setInterval(() => {
      try {
        endUnless(socket);
      } catch (error) {
        log.error({ err: error }, 'it could not be looked whether an admin is signed in');
      }
    }, checkMs).unref();
    socket.on('disconnect', () => {
      clearInterval(check);
      socket.conn.close();
    });
    const sendAll = async (): Promise<void> => {
      for (const host of registry.list()) socket.emit('run:detail', await registry.detail(host));
    };
    sendAll().catch((error: unknown) => {
      log.error({ err: error }, 'the runs could not be sent to an admin');
      // The page connects again by itself and asks anew
      socket.disconnect(true);
    });
  });
  // Who has signed out, or whose token was replaced, sees nothing more
  access.admin.onEnded(() => {
    for (const socket of namespace.sockets.values()) endUnless(socket);
  });
}

/** Sends a run to all admins who read what they are sent. */
export async function sendRunDetail(
  namespace: AdminNamespace,
  registry: RunRegistry,
  host: RunHost,
  connections: Connections,
): Promise<void> {
  for (const socket of namespace.sockets.values()) connections.cutUnread(socket.conn);
  if (namespace.sockets.size > 0) namespace.emit('run:detail', await registry.detail(host));
}

function credentialsOf(socket: Pick<Socket, 'handshake' | 'request'>, access: Access): AdminCredentials {
  const { cookie, authorization } = socket.handshake.headers;
  return {
    session: cookie === undefined ? undefined : fastifyCookie.parse(cookie)[ADMIN_COOKIE],
    authorization,
    address: access.addressOf(socket.request),
  };
}
