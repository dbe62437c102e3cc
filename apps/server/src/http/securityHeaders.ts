import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

/**
 * The headers of every answer: no script but our own, no framing, cross-origin isolation (threads in wasm need it).
 * A script injected into the page could read the private rows, so this is part of the privacy promise.
 */
export async function sendSecurityHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'self'"],
        'script-src': ["'self'", "'wasm-unsafe-eval'"],
        'style-src': ["'self'", "'unsafe-inline'"],
        'img-src': ["'self'", 'data:'],
        'worker-src': ["'self'"],
        // Some browsers do not count this server's own WebSocket as 'self'.
        'connect-src': [
          "'self'",
          (request) => ownSocket('ws', request),
          (request) => ownSocket('wss', request),
        ],
        'object-src': ["'none'"],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
        'frame-ancestors': ["'none'"],
      },
    },
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginEmbedderPolicy: { policy: 'require-corp' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
    frameguard: { action: 'deny' },
    // Whether there is TLS in front is not known here; who adds it adds this.
    hsts: false,
  });
}

function ownSocket(scheme: 'ws' | 'wss', { headers }: { headers: { host?: string | undefined } }): string {
  const host = headers.host ?? '';
  return /^[\w.-]+(:\d+)?$|^\[[0-9a-f:]+\](:\d+)?$/i.test(host) ? `${scheme}://${host}` : "'self'";
}
