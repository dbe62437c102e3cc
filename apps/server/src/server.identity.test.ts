import { afterEach, beforeEach, expect, it } from 'vitest';
import { keptIdentitySchema } from './http/identityRoutes.ts';
import type { RunningServer } from './server.ts';
import { TestSite } from './testServer.fixture.ts';
import type { ScriptedContributor } from './testServer.fixture.ts';

let site: TestSite;
let server: RunningServer;
let contributor: ScriptedContributor;

beforeEach(async () => {
  site = new TestSite();
  server = await site.start();
  contributor = await site.contributor(server);
  await contributor.joinOrThrow();
});
afterEach(async () => {
  await site.clean();
});

/** What her page keeps: who she is, and the plan she agreed to. */
const identity = () => ({ ...contributor.identity!, planHash: contributor.run.planHash });
const own = () => server.contributeUrl.replace(/\/$/, '');
const address = (runId = server.runId) => `${own()}/api/runs/${runId}/identity`;

const keep = (body: unknown, headers: Record<string, string> = {}, runId?: string): Promise<Response> =>
  fetch(address(runId), {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: own(), ...headers },
    body: JSON.stringify(body),
  });

async function read(headers: Record<string, string>, runId?: string): Promise<unknown> {
  const response = await fetch(address(runId), { headers });
  return response.ok ? keptIdentitySchema.parse(await response.json()).identity : response.status;
}

const cookieOf = (response: Response): string => response.headers.get('set-cookie')!.split(';')[0]!;

it('keeps who somebody is in a cookie that no script reads, for this address only', async () => {
  // Not over https, whatever a header says
  const response = await keep(identity(), { 'x-forwarded-proto': 'https' });
  expect(response.status).toBe(204);
  const [, ...attributes] = response.headers.get('set-cookie')!.split('; ');
  expect(attributes.toSorted()).toEqual([
    'HttpOnly',
    'Max-Age=34560000',
    `Path=/api/runs/${server.runId}/identity`,
    'SameSite=Strict',
  ]);
  const cookie = cookieOf(response);
  expect(await read({ cookie })).toEqual(identity());
  expect(await read({ cookie, 'sec-fetch-site': 'same-origin' })).toEqual(identity());
  expect((await fetch(address(), { headers: { cookie } })).headers.get('cache-control')).toBe('no-store');
});

it('answers no page but its own', async () => {
  const cookie = cookieOf(await keep(identity()));
  for (const headers of [
    { origin: 'http://evil.example' },
    { origin: own().replace(/:\d+$/, ':1') },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
  ] as Record<string, string>[]) {
    expect(await read({ cookie, ...headers })).toBe(403);
    const response = await keep(identity(), headers);
    expect(response.status).toBe(403);
    expect(response.headers.get('set-cookie')).toBeNull();
  }
});

it('gives back which plan was agreed to, even when the run has another by now', async () => {
  const cookie = cookieOf(await keep(identity()));
  const { planHash } = contributor.run;
  const other = 'f'.repeat(64);
  expect(await read({ cookie: cookie.replace(planHash, other) })).toEqual({
    ...contributor.identity,
    planHash: other,
  });
});

it('keeps nothing that is not proved', async () => {
  const { contributorId } = identity();
  for (const [body, status] of [
    [{ ...identity(), token: 'x'.repeat(43) }, 403],
    [{ ...identity(), contributorId: 'nobody00' }, 403],
    [{ ...identity(), planHash: 'f'.repeat(64) }, 409],
    [{ contributorId }, 400],
    [contributor.identity, 400], // of no plan
    [{ ...identity(), more: 1 }, 400],
    [null, 400],
  ] as const) {
    const response = await keep(body);
    expect(response.ok).toBe(false);
    expect([response.status, body]).toEqual([status, body]);
    expect(response.headers.get('set-cookie')).toBeNull();
  }
  expect((await keep(identity(), {}, 'no-such-run')).status).toBe(404);
});

it('gives nothing for a cookie that does not prove it, or that is of another run', async () => {
  const cookie = cookieOf(await keep(identity()));
  expect(await read({})).toBeNull();
  for (const other of [
    `${cookie}x`,
    cookie.replace('=', '=0'),
    'chorale_contributor=',
    'chorale_contributor=a.b.c',
    // As an earlier release wrote it: nobody can tell which plan it is of
    cookie.slice(0, cookie.lastIndexOf('.')),
  ]) {
    expect(await read({ cookie: other })).toBeNull();
  }
  await site.stop(server);
  site.writeConfig({ name: 'Another run' });
  const first = server.runId;
  server = await site.start();
  expect(server.runId).not.toBe(first);
  expect(await read({ cookie })).toBeNull();
  expect(await read({ cookie }, first)).toEqual(identity());
  expect(await read({ cookie }, 'no-such-run')).toBe(404);
});
