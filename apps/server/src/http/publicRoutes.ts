import type { FastifyInstance } from 'fastify';
import { ChoraleError } from '@chorale/protocol';
import type { FileStore } from '../fileStore.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';

/** What everybody may read: runs, their public test results, and the frozen models in pieces. */
export function addPublicRoutes(app: FastifyInstance, registry: RunRegistry, files: FileStore): void {
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

  // Under its hash (`modelPiecePath`) a piece never changes, so runs and revisions share what is the same.
  app.get<{ Params: { sha256: string } }>('/models/:sha256', (request, reply) => {
    const piece = registry.modelPiece(request.params.sha256);
    if (piece === undefined)
      throw new ChoraleError('RUN_UNKNOWN', 'expected a piece of a model of this server; reload the page');
    const etag = `"${piece.sha256}"`;
    void reply.header('cache-control', 'public, max-age=31536000, immutable').header('etag', etag);
    if (request.headers['if-none-match'] === etag) return reply.status(304).send();
    return reply
      .header('content-length', piece.sizeBytes)
      .type('application/octet-stream')
      .send(files.stream(piece.sha256));
  });
}
