import type { Server as HttpServer } from 'node:http';
import { Server } from 'socket.io';
import { Connections } from './connections.ts';
import type { ConnectionsOptions } from './connections.ts';

/** Beside the largest attachment: the JSON of a message. */
const MESSAGE_BYTES = 4096;
/** From the WebSocket's opening until it is in a namespace. */
const CONNECT_TIMEOUT_MS = 10_000;

export type WatchedSockets = { io: Server; connections: Connections };

/**
 * The sockets of the server, with everything that is refused before the first event: foreign pages, addresses with too
 * many connections or requests, messages that are larger than any that makes sense.
 */
export function openSocketServer(server: HttpServer, options: ConnectionsOptions): WatchedSockets {
  const { access, largestMessageBytes } = options;
  const connections = new Connections(options);
  const io = new Server(server, {
    transports: ['websocket'],
    allowUpgrades: false,
    serveClient: false,
    maxHttpBufferSize: largestMessageBytes + MESSAGE_BYTES,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A lid that was closed should be noticed within half a minute.
    pingInterval: 10_000,
    pingTimeout: 20_000,
    // `cors` would only add headers; this refuses. What it says goes into the HTTP answer.
    allowRequest(request, decide) {
      const address = access.addressOf(request);
      if (!access.isOwnOrigin(request.headers)) {
        access.observer.refused('connection', 'ORIGIN_REFUSED');
        return decide('ORIGIN_REFUSED', false);
      }
      if (access.takeRequest(address) && connections.hasRoom(address)) return decide(null, true);
      access.observer.refused('connection', 'RATE_LIMITED');
      decide('RATE_LIMITED', false);
    },
  });
  io.engine.on('connection', (connection) => connections.watch(connection));
  io.engine.on('close', () => connections.close());
  return { io, connections };
}
