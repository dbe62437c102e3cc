import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Log } from './log.ts';

/** An id for a request, to find its lines by. Never one that came with it: a stranger could write another's. */
export function requestId(): string {
  return randomBytes(6).toString('hex');
}

/**
 * Logs every answered request: what went wrong here as a warning, what was refused for the record, the rest for who asks
 * for it (`debug`). The id of one that was not served also stands in its answer, for people who report it.
 * @param answered told the status of each
 */
export function logRequests(app: FastifyInstance, log: Log, answered: (status: number) => void): void {
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode >= 400) reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const status = reply.statusCode;
    answered(status);
    const line = { ...about(request), status, ms: Math.round(reply.elapsedTime) };
    if (status >= 500) log.warn(line, 'request failed');
    else if (status >= 400) log.info({ ...line, address: request.ip }, 'request refused');
    else log.debug(line, 'request');
  });
}

/** A query is left out: it may hold a token. */
function about(request: FastifyRequest): { requestId: string; method: string; path: string } {
  return { requestId: request.id, method: request.method, path: request.url.split('?')[0]!.slice(0, 200) };
}
