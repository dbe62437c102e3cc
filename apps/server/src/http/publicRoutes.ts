import type { FastifyInstance } from 'fastify';
import { ChoraleError } from '@chorale/protocol';
import type { FileStore } from '../fileStore.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';

const CONTENT_TYPES: Record<string, string> = { json: 'application/json', txt: 'text/plain; charset=utf-8' };

/** What everybody may read: runs, their public test results, and the frozen model's files. */
export function addPublicRoutes(app: FastifyInstance, registry: RunRegistry, files: FileStore): void {
  app.get('/healthz', () => ({ ok: true }));

  app.get('/api/runs', () =>
    registry.list().map((host) => ({
      id: host.run.runId,
      name: host.run.plan.config.name,
      status: host.view().status,
    })),
  );

  app.get('/api/runs/current', (_request, reply) => {
    const host = registry.current();
    if (host === undefined)
      throw new ChoraleError('RUN_UNKNOWN', 'expected a run on this server, there is none yet');
    return reply.header('cache-control', 'no-store').send(registry.publicRun(host));
  });

  app.get<{ Params: { runId: string } }>('/api/runs/:runId', (request, reply) =>
    reply.header('cache-control', 'no-store').send(registry.publicRun(registry.get(request.params.runId))),
  );

  // `model` is the hash of all its files (see runSetup), so that every run with the same model shares them.
  app.get<{ Params: { model: string; file: string } }>('/models/:model/:file', (request, reply) => {
    const { model, file: name } = request.params;
    const file = registry.modelFile(`/models/${model}/${encodeURIComponent(name)}`);
    if (file === undefined)
      throw new ChoraleError('RUN_UNKNOWN', 'expected a model file of a run of this server; reload the page');
    const extension = name.slice(name.lastIndexOf('.') + 1);
    return reply
      .header('cache-control', 'public, max-age=31536000, immutable')
      .header('etag', `"${file.sha256}"`)
      .header('content-length', file.sizeBytes)
      .type(CONTENT_TYPES[extension] ?? 'application/octet-stream')
      .send(files.stream(file.sha256));
  });
}
