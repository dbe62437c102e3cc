import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ChoraleError, joinSchema, parseMessage } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Identity } from '../identity.ts';
import { isContributor } from '../identity.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import { sameOrigin } from './origin.ts';

const IDENTITY_COOKIE = 'chorale_contributor';
/** The longest that browsers keep a cookie. */
const KEPT_SECONDS = 400 * 24 * 3600;

const identitySchema = joinSchema.shape.identity.unwrap();
/** `{ identity: null }`: this browser kept none, or none that fits. */
export const keptIdentitySchema = z.strictObject({ identity: identitySchema.nullable() });

type RunRequest = FastifyRequest<{ Params: { runId: string } }>;

/**
 * A second place where a browser keeps who it is to a run: a cookie that no script reads, sent to this address only.
 * When the page's own storage is gone, evicted or cleared, the same contributor comes back to the same ledger.
 */
export function addIdentityRoutes(app: FastifyInstance, registry: RunRegistry, store: Store): void {
  app.get('/api/runs/:runId/identity', (request: RunRequest, reply) => {
    const { runId } = ownPageOnly(request, reply, registry);
    return { identity: kept(request.cookies[IDENTITY_COOKIE], runId, store) };
  });

  app.post('/api/runs/:runId/identity', (request: RunRequest, reply) => {
    const { runId } = ownPageOnly(request, reply, registry);
    const identity = parseMessage(identitySchema, request.body, 'identity');
    if (!isContributor(store, runId, identity)) {
      throw new ChoraleError(
        'IDENTITY_INVALID',
        `expected the token of contributor ${identity.contributorId} in this run, got another`,
      );
    }
    return reply
      .setCookie(IDENTITY_COOKIE, `${identity.contributorId}.${identity.token}`, {
        path: `/api/runs/${runId}/identity`,
        httpOnly: true,
        sameSite: 'strict',
        maxAge: KEPT_SECONDS,
      })
      .status(204)
      .send();
  });
}

/** @throws {ChoraleError} ORIGIN_REFUSED, RUN_UNKNOWN */
function ownPageOnly({ headers, params }: RunRequest, reply: FastifyReply, registry: RunRegistry) {
  // A page of another port of this machine gets the cookie sent too, and a plain GET carries no Origin; browsers of
  // today say with every request where it comes from
  const site = headers['sec-fetch-site'];
  if (!sameOrigin(headers) || (site !== undefined && site !== 'same-origin')) {
    throw new ChoraleError('ORIGIN_REFUSED', "expected a request from this server's own page");
  }
  reply.header('cache-control', 'no-store');
  return { runId: registry.get(params.runId).run.runId };
}

function kept(cookie: string | undefined, runId: string, store: Store): Identity | null {
  const [contributorId, token] = cookie?.split('.') ?? [];
  const identity = identitySchema.safeParse({ contributorId, token });
  return identity.success && isContributor(store, runId, identity.data) ? identity.data : null;
}
