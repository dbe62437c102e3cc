import type { Server } from 'node:http';
import type { FastifyHttpOptions } from 'fastify';
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
    trustProxy: trustProxy === false ? false : compileTrust(trustProxy),
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 2_000 },
  } satisfies FastifyHttpOptions<Server>;
}
