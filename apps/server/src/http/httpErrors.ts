import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '@chorale/protocol';
import { ChoraleError, wireError } from '@chorale/protocol';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';

/** The HTTP status of every error code; codes that no route gives have the one they would have. */
export const HTTP_STATUS: Record<ErrorCode, number> = {
  CONFIG_INVALID: 400,
  MODEL_INVALID: 422,
  HUB_REFUSED: 502,
  HUB_UNREACHABLE: 502,
  DEVICE_UNSUPPORTED: 422,
  DEVICE_ERROR: 503,
  DATA_EMPTY: 422,
  DATA_TOO_LARGE: 413,
  DATA_BINARY: 422,
  DATA_UNREADABLE: 422,
  DATA_NO_SUCH_COLUMN: 422,
  DATA_UNKNOWN_LABELS: 422,
  DATA_TOO_FEW_ROWS: 422,
  PLAN_CHANGED: 409,
  LIMITS_EXCEEDED: 409,
  LEDGER_UNAVAILABLE: 503,
  PROTOCOL_MISMATCH: 400,
  MESSAGE_INVALID: 400,
  ORIGIN_REFUSED: 403,
  NOT_JOINED: 409,
  IDENTITY_INVALID: 403,
  INVITE_REQUIRED: 403,
  INVITE_INVALID: 403,
  RATE_LIMITED: 429,
  SERVER_CLOSING: 503,
  RUN_UNKNOWN: 404,
  RUN_ENDED: 409,
  RUN_STATE: 409,
  ADMIN_REQUIRED: 401,
  TIMEOUT: 504,
  DISCONNECTED: 503,
  UPDATE_MALFORMED: 400,
  UPDATE_SIZE: 400,
  UPDATE_NOT_FINITE: 422,
  UPDATE_OUT_OF_WINDOW: 422,
  UPDATE_WRONG_ROUND: 409,
  UPDATE_NOT_IN_COHORT: 409,
  UPDATE_CONFLICT: 409,
  STORE_ERROR: 503,
  STORE_FULL: 507,
  STORE_DAMAGED: 500,
  INTERNAL: 500,
};

/** Every error is answered as `{ error: { code, message, retryable } }`; what was not foreseen is logged, not told. */
export function answerErrors(app: FastifyInstance, log: Log, observer: Observer): void {
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const { statusCode = 500 } = error;
    const foreseen = error instanceof ChoraleError;
    // fastify's own refusals (a body that is no JSON, too large)
    const known = !foreseen && statusCode < 500 ? new ChoraleError('MESSAGE_INVALID', error.message) : error;
    const wire = wireError(known);
    const status = known === error ? HTTP_STATUS[wire.code] : statusCode;
    const pathname = request.url.split('?')[0];
    if (status >= 500 && wire.code !== 'SERVER_CLOSING') {
      log.error({ err: error, requestId: request.id }, `${request.method} ${pathname}`);
    } else observer.refused('request', wire.code);
    return reply.status(status).send({ error: wire });
  });
}
