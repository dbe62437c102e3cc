import fastifyCookie from '@fastify/cookie';
import type { FastifyInstance } from 'fastify';
import { ChoraleError } from '@chorale/protocol';
import type { Access } from '../access/access.ts';
import type { Log } from '../log.ts';
import { answerErrors } from './httpErrors.ts';
import { sendSecurityHeaders } from './securityHeaders.ts';

const READING = ['GET', 'HEAD', 'OPTIONS'];

/**
 * What holds for every HTTP request, addresses that do not exist among them: security headers, errors in one form, so
 * many requests per address, and that only the server's own pages, or no page at all, change anything.
 * To be called before any route is added.
 */
export async function protectHttp(app: FastifyInstance, access: Access, log: Log): Promise<void> {
  answerErrors(app, log, access.observer);
  await sendSecurityHeaders(app, access.publicOrigins);
  await app.register(fastifyCookie);
  app.addHook('onRequest', async (request, reply) => {
    if (!access.takeRequest(access.addressOf(request.raw))) {
      reply.header('retry-after', 10);
      throw new ChoraleError(
        'RATE_LIMITED',
        `expected at most ${access.limits.requestsPerMinutePerAddress} requests a minute from one address; wait a minute`,
      );
    }
    // SameSite cookies still come from other ports of this machine; the Origin tells those apart.
    if (!READING.includes(request.method) && !access.isOwnOrigin(request.headers)) {
      throw new ChoraleError('ORIGIN_REFUSED', "expected a request from this server's own page");
    }
  });
}
