import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

/** A year: as long as browsers are asked to come back over https only, once they came so. */
const HSTS_SECONDS = 365 * 24 * 3600;

/** What no page of ours uses, so that a script that got in could not either. */
const UNUSED_FEATURES = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'hid',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'serial',
  'usb',
  'xr-spatial-tracking',
];

/**
 * The headers of every answer: no script and no style but our own files, no framing, cross-origin isolation (threads in
 * wasm need it). A script injected into the page could read the private rows, so this is part of the privacy promise.
 * @param publicOrigins as `originRule` has them
 */
export async function sendSecurityHeaders(
  app: FastifyInstance,
  publicOrigins: readonly string[],
): Promise<void> {
  const listed = publicOrigins.map((origin) => new URL(origin).origin.replace(/^http/, 'ws'));
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'self'"],
        'script-src': ["'self'", "'wasm-unsafe-eval'"],
        'style-src': ["'self'"],
        'img-src': ["'self'", 'data:'],
        'worker-src': ["'self'"],
        // Some browsers do not count this server's own WebSocket as 'self'.
        'connect-src': [
          "'self'",
          ...(listed.length > 0
            ? listed
            : (['ws', 'wss'] as const).map(
                (scheme) => (request: { headers: { host?: string | undefined } }) =>
                  ownSocket(scheme, request),
              )),
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
    hsts: false,
  });
  const permissions = UNUSED_FEATURES.map((feature) => `${feature}=()`).join(', ');
  app.addHook('onRequest', async (request, reply) => {
    reply.header('permissions-policy', permissions);
    // Only fastify knows: the connection, or a trusted proxy. Over http browsers ignore it anyway
    if (request.protocol === 'https') {
      reply.header('strict-transport-security', `max-age=${HSTS_SECONDS}`);
    }
  });
}

function ownSocket(scheme: 'ws' | 'wss', { headers }: { headers: { host?: string | undefined } }): string {
  const host = headers.host ?? '';
  return /^[\w.-]+(:\d+)?$|^\[[0-9a-f:]+\](:\d+)?$/i.test(host) ? `${scheme}://${host}` : "'self'";
}
