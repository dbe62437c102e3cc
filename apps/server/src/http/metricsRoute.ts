import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ChoraleError } from '@chorale/protocol';
import { hashToken, tokenMatches } from '../identity.ts';
import type { Metrics } from '../metrics.ts';

export type MetricsAccess = {
  /** Null: nobody has one. */
  token: string | null;
  /**
   * Programs of this machine need no token. Not where others reach this server: a proxy on this machine that says nothing
   * of whom it asks for looks like one of them.
   */
  local: boolean;
};

/** `/metrics` in Prometheus' text format: for who has the token, and for programs of this machine. */
export function addMetricsRoute(
  app: FastifyInstance,
  metrics: Metrics,
  { token, local }: MetricsAccess,
): void {
  const tokenHash = token === null ? null : hashToken(token);
  app.get('/metrics', async (request, reply) => {
    if (!(local && isLocal(request)) && !hasToken(request, tokenHash)) {
      throw new ChoraleError(
        'ADMIN_REQUIRED',
        `expected an Authorization header with the metrics token (CHORALE_METRICS_TOKEN)${local ? ', or a request from this machine itself' : ''}`,
      );
    }
    return reply
      .header('cache-control', 'no-store')
      .type(metrics.contentType)
      .send(await metrics.text());
  });
}

/** Headers by which a proxy says that it asks for somebody else. */
const FORWARDING = [
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'forwarded',
  'via',
];

/**
 * Whether a program of this machine asks for itself. A proxy on this machine connects from here too, for anybody: it says
 * so in a header, and the name that was asked for is not this machine's (nor is it with a page whose own name was made to
 * point here). No setting makes a forwarded request a local one.
 */
function isLocal({ raw, headers }: FastifyRequest): boolean {
  const peer = raw.socket.remoteAddress ?? '';
  if (!/^(127\.|::1$|::ffff:127\.)/.test(peer)) return false;
  if (FORWARDING.some((name) => headers[name] !== undefined)) return false;
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

function hasToken({ headers }: FastifyRequest, tokenHash: string | null): boolean {
  const given = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  return tokenHash !== null && given !== undefined && tokenMatches(given, tokenHash);
}
