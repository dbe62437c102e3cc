import type { FastifyInstance, FastifyRequest } from 'fastify';
import { zipSync } from 'fflate';
import { ADMIN_ACTIONS, ChoraleError } from '@chorale/protocol';
import type { AdminAccess } from '../adminAccess.ts';
import { ADMIN_COOKIE } from '../adminAccess.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import { sameOrigin } from './origin.ts';

type RunRequest = { Params: { runId: string } };

export function isAdmin(request: FastifyRequest, access: AdminAccess): boolean {
  return access.allows({
    session: request.cookies[ADMIN_COOKIE],
    authorization: request.headers.authorization,
  });
}

/** What only admins may read and do. */
export function addAdminRoutes(app: FastifyInstance, registry: RunRegistry, access: AdminAccess): void {
  app.get('/api/admin/session', (request) => ({ signedIn: isAdmin(request, access) }));

  void app.register(
    (admin, _options, done) => {
      admin.addHook('onRequest', async (request, reply) => {
        // SameSite cookies still come from other ports of this machine; the Origin tells those apart.
        if (!sameOrigin(request.headers)) {
          throw new ChoraleError('ORIGIN_REFUSED', "expected a request from this server's own page");
        }
        if (!isAdmin(request, access)) {
          throw new ChoraleError(
            'ADMIN_REQUIRED',
            'sign in with the admin link that the server printed when it started',
          );
        }
        reply.header('cache-control', 'no-store');
      });

      admin.get('/', () => Promise.all(registry.list().map((host) => registry.detail(host))));

      for (const action of ADMIN_ACTIONS) {
        admin.post<RunRequest>(`/:runId/${action}`, (request) => {
          const host = registry.get(request.params.runId);
          host.act(action);
          return registry.detail(host);
        });
      }

      admin.get<RunRequest>('/:runId/adapter.zip', async (request, reply) => {
        const host = registry.get(request.params.runId);
        const { adapterVersion, files } = await registry.exportAdapter(host);
        return reply
          .type('application/zip')
          .header('content-disposition', `attachment; filename="${host.run.runId}-v${adapterVersion}.zip"`)
          .send(Buffer.from(zipSync(Object.fromEntries(files))));
      });
      done();
    },
    { prefix: '/api/admin/runs' },
  );
}
