import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import type { ReadinessSources } from './healthRoutes.ts';
import { addHealthRoutes, readinessOf } from './healthRoutes.ts';

async function ask(path: string, sources: ReadinessSources) {
  const app = Fastify();
  addHealthRoutes(app, readinessOf(sources));
  const response = await app.inject(path);
  await app.close();
  expect(response.headers['cache-control']).toBe('no-store');
  return { status: response.statusCode, body: response.json<unknown>() };
}

it('is ready while it serves and can store', async () => {
  expect(await ask('/readyz', { phase: () => 'serving', checkWritable: () => undefined })).toEqual({
    status: 200,
    body: { ready: true },
  });
});

it.each(['starting', 'closing'] as const)('is alive but not ready while it is %s', async (phase) => {
  const sources = { phase: () => phase, checkWritable: () => undefined };
  expect(await ask('/readyz', sources)).toEqual({ status: 503, body: { ready: false, reason: phase } });
  expect(await ask('/healthz', sources)).toEqual({ status: 200, body: { ok: true } });
});

it('is not ready when the store cannot be written, and says why without the words of what it did not foresee', async () => {
  const failing = (error: Error) => ({
    phase: () => 'serving' as const,
    checkWritable: () => {
      throw error;
    },
  });
  expect(await ask('/readyz', failing(new ChoraleError('STORE_FULL', 'no room left')))).toEqual({
    status: 503,
    body: {
      ready: false,
      reason: 'store',
      error: { code: 'STORE_FULL', message: 'no room left', retryable: true },
    },
  });
  const { body } = await ask('/readyz', failing(new Error('/home/secret/path is read-only')));
  expect(JSON.stringify(body)).not.toContain('/home');
});

it('does not write to the disk as often as anybody asks', () => {
  let checks = 0;
  const readiness = readinessOf({ phase: () => 'serving', checkWritable: () => void checks++ });
  for (let k = 0; k < 100; k++) readiness();
  expect(checks).toBe(1);
});
