import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { CreatedInvite, Invite } from '@chorale/protocol';
import { ChoraleError, newInviteSchema, parseMessage } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Access } from '../access/access.ts';
import { createInvite, withoutHash } from '../access/invites.ts';
import type { RunHost } from '../runs/runHost.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import { actorOf } from './adminRequest.ts';

type RunParams = { Params: { runId: string } };
type InviteParams = { Params: { runId: string; inviteId: string } };

/** Invites of a run whose access is by invitation. To be added where only admins come. */
export function addInviteRoutes(
  admin: FastifyInstance,
  registry: RunRegistry,
  store: Store,
  access: Access,
): void {
  admin.get<RunParams>('/:runId/invites', (request): Invite[] =>
    store.listInvites(invitingRun(registry, request.params.runId).run.runId).map(withoutHash),
  );

  admin.post<RunParams>('/:runId/invites', (request, reply) => {
    const { runId } = invitingRun(registry, request.params.runId).run;
    const wanted = parseMessage(newInviteSchema, request.body ?? {}, 'invite');
    const by = actorOf(request, access);
    const { invite, code } = createInvite(store, runId, wanted, access.now());
    const detail = `${invite.inviteId}, ${invite.uses} uses`;
    access.audit.record('invite-created', { ...by, runId, detail });
    // The code in the fragment, which browsers send to nobody: no log of a server or proxy has it
    const url = `${publicOrigin(request, access)}/?run=${runId}#invite=${code}`;
    return reply.status(201).send({ invite, code, url } satisfies CreatedInvite);
  });

  admin.delete<InviteParams>('/:runId/invites/:inviteId', (request, reply) => {
    const { runId } = invitingRun(registry, request.params.runId).run;
    const { inviteId } = request.params;
    if (!store.listInvites(runId).some((one) => one.inviteId === inviteId)) {
      throw new ChoraleError('INVITE_INVALID', 'expected the id of an invite of this run, got another');
    }
    store.withdrawInvite(runId, inviteId);
    access.audit.record('invite-withdrawn', { ...actorOf(request, access), runId, detail: inviteId });
    return reply.status(204).send();
  });
}

/** @throws {ChoraleError} RUN_UNKNOWN; RUN_STATE: everybody may join without one */
function invitingRun(registry: RunRegistry, runId: string): RunHost {
  const host = registry.get(runId);
  if (host.run.plan.config.access === 'invite') return host;
  throw new ChoraleError(
    'RUN_STATE',
    'expected a run with access "invite", this one is open to everybody; make a run with that config',
  );
}

function publicOrigin(request: FastifyRequest, { publicOrigins }: Access): string {
  return publicOrigins[0] ?? `${request.protocol}://${request.host}`;
}
