import type { Server as HttpServer } from 'node:http';
import { Server } from 'socket.io';
import { ChoraleError } from '@chorale/protocol';
import { Connections } from './connections.ts';
import type { ConnectionsOptions } from './connections.ts';
import { connectError } from './handshake.ts';
import { SLOW_BYTES_PER_MS } from './transferSlots.ts';

/** Beside the largest attachment: the JSON of a message. */
const MESSAGE_BYTES = 4096;
/** From the WebSocket's opening until it is in a namespace. */
const CONNECT_TIMEOUT_MS = 10_000;
/** How often clients are pinged, and after how long a silence they are given up: a closed lid within half a minute. */
const PING_INTERVAL_MS = 10_000;
const SILENCE_MS = 25_000;

export type WatchedSockets = { io: Server; connections: Connections };

export type SocketServerOptions = Omit<ConnectionsOptions, 'silenceMs'> & {
  pingIntervalMs?: number;
  silenceMs?: number;
};

/**
 * The sockets of the server, with everything that is refused before the first event: foreign pages, addresses with too
 * many connections or requests, messages that are larger than any that makes sense.
 */
export function openSocketServer(server: HttpServer, options: SocketServerOptions): WatchedSockets {
  const { access, largestMessageBytes, pingIntervalMs = PING_INTERVAL_MS, silenceMs = SILENCE_MS } = options;
  const connections = new Connections({ access, largestMessageBytes, silenceMs });
  const io = new Server(server, {
    transports: ['websocket'],
    allowUpgrades: false,
    serveClient: false,
    maxHttpBufferSize: largestMessageBytes + MESSAGE_BYTES,
    connectTimeout: CONNECT_TIMEOUT_MS,
    pingInterval: pingIntervalMs,
    // On a slow line a pong waits behind the update that is being sent, and a ping behind an adapter, as long as the whole
    // of it takes. `Connections` gives a silent client up sooner.
    pingTimeout: silenceMs + largestMessageBytes / SLOW_BYTES_PER_MS,
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
  // socket.io's own namespace: nothing is there, and whoever is in one is held to nothing
  io.use((_socket, next) => {
    access.observer.refused('connection', 'MESSAGE_INVALID');
    next(connectError(new ChoraleError('MESSAGE_INVALID', 'expected a namespace of Chorale, got "/"')));
  });
  io.engine.on('connection', (connection) => connections.watch(connection));
  io.engine.on('close', () => connections.close());
  return { io, connections };
}
