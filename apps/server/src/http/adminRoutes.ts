import type { FastifyInstance } from 'fastify';
import { zipSync } from 'fflate';
import { ADMIN_ACTIONS, wireError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Access } from '../access/access.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import { actorOf, adminsOnly } from './adminRequest.ts';
import { addInviteRoutes } from './inviteRoutes.ts';

type RunRequest = { Params: { runId: string } };

/** What only admins may read and do with runs. */
export function addAdminRoutes(
  app: FastifyInstance,
  { registry, store, access }: { registry: RunRegistry; store: Store; access: Access },
): void {
  void app.register(
    (admin, _options, done) => {
      adminsOnly(admin, access);

      admin.get('/', () => Promise.all(registry.list().map((host) => registry.detail(host))));

      for (const action of ADMIN_ACTIONS) {
        admin.post<RunRequest>(`/:runId/${action}`, (request) => {
          const host = registry.get(request.params.runId);
          const about = { ...actorOf(request, access), runId: host.run.runId };
          // Written down first: what cannot be is not done
          access.audit.record(action, about);
          try {
            host.act(action);
          } catch (error) {
            access.audit.record(action, { ...about, detail: `not done: ${wireError(error).code}` });
            throw error;
          }
          return registry.detail(host);
        });
      }

      admin.get<RunRequest>('/:runId/adapter.zip', async (request, reply) => {
        const host = registry.get(request.params.runId);
        const { runId } = host.run;
        const by = actorOf(request, access);
        const { adapterVersion, files } = await registry.exportAdapter(host);
        access.audit.record('adapter-downloaded', { ...by, runId, detail: `version ${adapterVersion}` });
        return reply
          .type('application/zip')
          .header('content-disposition', `attachment; filename="${runId}-v${adapterVersion}.zip"`)
          .send(Buffer.from(zipSync(Object.fromEntries(files))));
      });

      addInviteRoutes(admin, registry, store, access);
      done();
    },
    { prefix: '/api/admin/runs' },
  );
}
