import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ChoraleError, handshakeSchema, parseMessage, sha256Schema } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Access } from '../access/access.ts';
import { isContributor } from '../identity.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import { ownPageOnly } from './ownPage.ts';
import { secretCookie } from './secretCookie.ts';

const IDENTITY_COOKIE = 'chorale_contributor';
/** The longest that browsers keep a cookie. */
const KEPT_SECONDS = 400 * 24 * 3600;

/** Who somebody is to a run, and the plan that she agreed to: another one is not hers to go on with. */
const identitySchema = handshakeSchema.shape.identity.unwrap().extend({ planHash: sha256Schema });
type KeptIdentity = z.infer<typeof identitySchema>;
/** `{ identity: null }`: this browser kept none, or none that fits. */
export const keptIdentitySchema = z.strictObject({ identity: identitySchema.nullable() });

type RunRequest = FastifyRequest<{ Params: { runId: string } }>;

/**
 * A second place where a browser keeps who it is to a run: a cookie that no script reads, sent to this address only.
 * When the page's own storage is gone, evicted or cleared, the same contributor comes back to the same ledger.
 */
export function addIdentityRoutes(
  app: FastifyInstance,
  { registry, store, access }: { registry: RunRegistry; store: Store; access: Access },
): void {
  const ownPage = (request: RunRequest, reply: FastifyReply) => {
    ownPageOnly(request, access);
    reply.header('cache-control', 'no-store');
    return registry.get(request.params.runId).run;
  };

  app.get('/api/runs/:runId/identity', (request: RunRequest, reply) => {
    const { runId } = ownPage(request, reply);
    return { identity: kept(request.cookies[IDENTITY_COOKIE], runId, store) };
  });

  app.post('/api/runs/:runId/identity', (request: RunRequest, reply) => {
    const { runId, planHash } = ownPage(request, reply);
    const identity = parseMessage(identitySchema, request.body, 'identity');
    if (!isContributor(store, runId, identity)) {
      throw new ChoraleError(
        'IDENTITY_INVALID',
        `expected the token of contributor ${identity.contributorId} in this run, got another`,
      );
    }
    if (identity.planHash !== planHash) {
      throw new ChoraleError(
        'PLAN_CHANGED',
        `expected plan ${planHash}, got ${identity.planHash}; reload the page and agree again`,
      );
    }
    return reply
      .setCookie(
        IDENTITY_COOKIE,
        `${identity.contributorId}.${identity.token}.${identity.planHash}`,
        secretCookie(request, { path: `/api/runs/${runId}/identity`, keptSeconds: KEPT_SECONDS }),
      )
      .status(204)
      .send();
  });
}

function kept(cookie: string | undefined, runId: string, store: Store): KeptIdentity | null {
  // Without a plan hash it is of an earlier release, and does not say what she agreed to
  const [contributorId, token, planHash] = cookie?.split('.') ?? [];
  const identity = identitySchema.safeParse({ contributorId, token, planHash });
  return identity.success && isContributor(store, runId, identity.data) ? identity.data : null;
}
