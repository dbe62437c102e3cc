import type { FastifyInstance } from 'fastify';
import { wireError } from '@chorale/protocol';
import type { WireError } from '@chorale/protocol';

/** `{ ready: false }` says why not: `starting`, `closing`, or what the store said. */
export type Readiness =
  { ready: true } | { ready: false; reason: 'starting' | 'closing' | 'store'; error?: WireError };

export type ReadinessSources = {
  phase: () => 'starting' | 'serving' | 'closing';
  /** @throws when the store cannot be written now */
  checkWritable: () => void;
};

/** A check writes to the disk: whoever asks more often than this gets the last answer. */
const STORE_CHECK_MS = 1_000;

/** What decides whether the server should get traffic now. */
export function readinessOf({ phase, checkWritable }: ReadinessSources): () => Readiness {
  let checked: { atMs: number; error: WireError | null } | undefined;
  return () => {
    const now = phase();
    if (now !== 'serving') return { ready: false, reason: now };
    const nowMs = performance.now();
    if (checked === undefined || nowMs - checked.atMs >= STORE_CHECK_MS) {
      checked = { atMs: nowMs, error: problemOf(checkWritable) };
    }
    return checked.error === null ? { ready: true } : { ready: false, reason: 'store', error: checked.error };
  };
}

/** For supervisors: `/healthz` while the process answers at all, `/readyz` while it can take contributors and updates. */
export function addHealthRoutes(app: FastifyInstance, readiness: () => Readiness): void {
  app.get('/healthz', (_request, reply) => reply.header('cache-control', 'no-store').send({ ok: true }));
  app.get('/readyz', (_request, reply) => {
    const state = readiness();
    return reply
      .status(state.ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(state);
  });
}

function problemOf(check: () => void): WireError | null {
  try {
    check();
    return null;
  } catch (error) {
    return wireError(error);
  }
}
