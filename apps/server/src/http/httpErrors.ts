import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '@chorale/protocol';
import { ChoraleError, wireError } from '@chorale/protocol';
import type { Log } from '../log.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  MESSAGE_INVALID: 400,
  ADMIN_REQUIRED: 401,
  ORIGIN_REFUSED: 403,
  IDENTITY_INVALID: 403,
  RUN_UNKNOWN: 404,
  PLAN_CHANGED: 409,
  RUN_STATE: 409,
  RUN_ENDED: 409,
};

/** Every error is answered as `{ error: { code, message, retryable } }`; what was not foreseen is logged, not told. */
export function answerErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const { statusCode = 500 } = error;
    // fastify's own refusals (a body that is no JSON, too large)
    const known = statusCode < 500 ? new ChoraleError('MESSAGE_INVALID', error.message) : error;
    const wire = wireError(known);
    if (wire.code === 'INTERNAL') log('error', `${request.method} ${request.url.split('?')[0]}`, error);
    const status = error instanceof ChoraleError ? (STATUS[wire.code] ?? 500) : statusCode;
    return reply.status(status).send({ error: wire });
  });
}
