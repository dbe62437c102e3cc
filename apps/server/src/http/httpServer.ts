import type { Server } from 'node:http';
import type { FastifyHttpOptions, FastifyInstance } from 'fastify';
import { MAX_PIECE_BYTES } from '@chorale/protocol';
import { plainAddress } from '../access/clientAddress.ts';
import type { Limits } from '../access/limits.ts';
import { OpenConnections } from '../access/openConnections.ts';
import type { TrustProxy } from '../settings/trustProxy.ts';
import { compileTrust } from '../settings/trustProxy.ts';

/**
 * Bounds on what an HTTP client may hold open without saying anything (slow loris), and on what it may say.
 * `connectionTimeout` is about silence, so the download of a model over a slow line goes on; a WebSocket has its own
 * pings and is exempt from it.
 */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 12_000;
const SILENCE_TIMEOUT_MS = 60_000;
/** The largest body is a kept identity or a new invite. */
const BODY_BYTES = 16_384;

/** What every server of ours is opened with; the log's options come besides. */
export function httpServerOptions(trustProxy: TrustProxy) {
  return {
    bodyLimit: BODY_BYTES,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    rewriteUrl: ({ url = '/' }) => (isReadable(url) ? url : UNREADABLE_URL),
    trustProxy: trustProxy === false ? false : compileTrust(trustProxy),
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 2_000 },
  } satisfies FastifyHttpOptions<Server>;
}

/** Where addresses go that are none: fastify would answer them past every hook, limits and headers among them. */
const UNREADABLE_URL = '/unreadable-address';

/** Whether its escapes are those of UTF-8. */
function isReadable(url: string): boolean {
  try {
    decodeURIComponent(url.split('?')[0]!);
    return true;
  } catch {
    return false;
  }
}

/** Connections for HTTP besides those of WebSockets, in all. */
const HTTP_CONNECTIONS = 2_000;
/** However few sockets an address may open, a browser's requests and a script's fit. */
const FEWEST_PER_ADDRESS = 64;

/**
 * Bounds the TCP connections, of whatever they carry: in all, and of each address where nobody else's connections come
 * through a proxy. What is over is ended before a byte of it is read.
 */
export function limitConnections(server: Server, limits: Limits, trustProxy: TrustProxy): void {
  server.maxConnections = limits.connections + HTTP_CONNECTIONS;
  if (trustProxy !== false) return;
  // As many again as WebSockets: a page loads its files over six
  const perAddress = FEWEST_PER_ADDRESS + 2 * limits.connectionsPerAddress;
  const open = new OpenConnections({ perAddress, inAll: Infinity });
  server.on('connection', (socket) => {
    const address = plainAddress(socket.remoteAddress ?? 'unknown');
    if (!open.hasRoom(address)) return void socket.destroy();
    socket.once('close', open.add(address));
  });
}

/** The slowest line that still gets the largest answer, a piece of a model: 8 KB a second. */
const ANSWER_TIMEOUT_MS = SILENCE_TIMEOUT_MS + MAX_PIECE_BYTES / 8;

/** Ends the connection of whoever reads an answer so slowly that it only holds it. */
export function limitAnswerTime(app: FastifyInstance, timeoutMs = ANSWER_TIMEOUT_MS): void {
  app.addHook('onRequest', async (request, reply) => {
    const timer = setTimeout(() => request.raw.socket.destroy(), timeoutMs).unref();
    reply.raw.once('close', () => clearTimeout(timer));
  });
}
