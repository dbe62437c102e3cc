import { copyFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningServer } from './server.ts';
import { parsePrometheusText } from './testing/prometheusText.ts';
import { freePort } from './testing/serverProcess.ts';
import { TestSite, asAdmin, codeOf, getRun, until } from './testServer.fixture.ts';

const METRICS_TOKEN = 'scrape-me-please';
const ADMIN_TOKEN = 'the-admin-token-of-this-test';

let site: TestSite;
let server: RunningServer;
let base: string;
const start = async (settings = {}): Promise<void> => {
  server = await site.start(
    {},
    { adminToken: ADMIN_TOKEN, settings: { metricsToken: METRICS_TOKEN, ...settings } },
  );
  base = server.contributeUrl.replace(/\/$/, '');
};
beforeEach(async () => {
  site = new TestSite();
  site.buildPages();
  await start();
});
afterEach(() => site.clean());

const withToken = { authorization: `Bearer ${METRICS_TOKEN}` };

describe('the log', () => {
  it('has no secret of any request, and an id for each that was refused', async () => {
    const contributor = await site.contributor(server);
    await contributor.joinOrThrow();
    const cookie = (await fetch(server.adminUrl, { redirect: 'manual' })).headers
      .get('set-cookie')!
      .split(';')[0]!;
    const refused = await fetch(`${base}/admin?token=a-wrong-token`, { redirect: 'manual' });
    await fetch(`${base}/nowhere?token=${ADMIN_TOKEN}&invite=an-invite-code`, {
      headers: { cookie, ...withToken, 'x-request-id': 'chosen-by-a-stranger' },
    });
    await fetch(`${base}/api/runs/${server.runId}/identity`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...contributor.identity, token: 'a-wrong-identity-token', planHash: 'x' }),
    });
    await asAdmin(server, 'runs');

    const id = refused.headers.get('x-request-id');
    const line = await until(() => site.logged.find(({ requestId }) => requestId === id), 'its line');
    expect(line).toMatchObject({
      level: 'info',
      method: 'GET',
      path: '/admin',
      status: 401,
      address: '127.0.0.1',
    });
    await until(() => site.logged.find(({ path }) => path === '/nowhere'), 'the last line');
    const written = JSON.stringify(site.logged);
    for (const secret of [
      ADMIN_TOKEN,
      METRICS_TOKEN,
      'a-wrong-token',
      'an-invite-code',
      'a-wrong-identity-token',
      'chosen-by-a-stranger',
      contributor.identity!.token,
      cookie.split('=')[1]!,
    ]) {
      expect(written).not.toContain(secret);
    }
  });

  it('is quiet about what was served, unless it is asked for', async () => {
    const served = await fetch(`${base}/api/runs/current`);
    expect(served.headers.get('x-request-id')).toBe(null);
    const line = await until(() => site.logged.find(({ path }) => path === '/api/runs/current'), 'the line');
    expect(line).toMatchObject({
      level: 'debug',
      status: 200,
      requestId: expect.stringMatching(/^[0-9a-f]{12}$/),
    });
    expect(line).not.toHaveProperty('address');
  });
});

describe('/readyz and /healthz', () => {
  it('say yes while it serves', async () => {
    expect(await (await fetch(`${base}/readyz`)).json()).toEqual({ ready: true });
    expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ ok: true });
  });
});

describe('/metrics', () => {
  it('tells programs of this machine what happened', async () => {
    const contributor = await site.contributor(server);
    await contributor.joinOrThrow();
    const second = await site.contributor(server);
    await second.joinOrThrow();
    await contributor.round(1);
    expect(codeOf(await contributor.send(1, [1, 2, 3, 4]))).toBe('ok');
    expect(codeOf(await contributor.send(1, [1, 2, 3, 4]))).toBe('ok');
    expect(codeOf(await second.send(9, [1, 2, 3, 4]))).not.toBe('ok');
    expect(codeOf(await second.send(1, [1, 2, 3, 4]))).toBe('ok');
    await until(async () => (await getRun(server)).rounds.length > 1, 'the end of the round');

    const response = await fetch(`${base}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = parsePrometheusText(await response.text());
    const values = (name: string) =>
      families.get(name)!.samples.map(({ labels, value }) => [...Object.values(labels), value]);
    // What is stored already, or late, is told when it is offered, and does not arrive
    expect(values('chorale_updates_total')).toEqual([[server.runId, 'accepted', 2]]);
    expect(values('chorale_refused_total')).toContainEqual(['message', 'UPDATE_WRONG_ROUND', 1]);
    expect(values('chorale_offer_queue_length')).toEqual([[0]]);
    expect(values('chorale_rounds_total')).toEqual([[server.runId, 'aggregated', 1]]);
    expect(values('chorale_sockets')).toEqual([
      ['contribute', 2],
      ['admin', 0],
    ]);
    expect(values('chorale_ready')).toEqual([[1]]);
    const aggregations = families.get('chorale_aggregation_duration_seconds')!.samples;
    expect(aggregations.find(({ name }) => name.endsWith('_count'))?.value).toBe(1);
  });

  it.each<[string, Record<string, string>]>([
    ['forwarded for somebody', { 'x-forwarded-for': '127.0.0.1' }],
    ['forwarded, in the words of the standard', { forwarded: 'for=127.0.0.1' }],
    ['that came through a proxy', { via: '1.1 proxy' }],
    ['under another name', { host: 'chorale.example.org' }],
    ['with the admin token', { host: 'chorale.example.org', authorization: `Bearer ${ADMIN_TOKEN}` }],
  ])('refuses a request %s', async (_, headers) => {
    const refused = await askMetrics(headers);
    expect(refused.status).toBe(401);
    expect(refused.text).toContain('ADMIN_REQUIRED');
    expect((await askMetrics({ ...headers, ...withToken })).status).toBe(200);
  });

  it('refuses forwarded requests without the token when none is set', async () => {
    await site.stop(server);
    await start({ metricsToken: null });
    expect((await askMetrics({ 'x-forwarded-for': '10.0.0.1', authorization: 'Bearer null' })).status).toBe(
      401,
    );
    expect((await askMetrics({})).status).toBe(200);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a proxy is trusted', { trustProxy: ['loopback'] }],
    ['the server has a public address', { publicOrigins: ['https://chorale.example.org'] }],
  ])('asks everybody for the token where %s: a proxy may say nothing of itself', async (_, settings) => {
    await site.stop(server);
    const port = await freePort();
    await start({ ...settings, port });
    base = `http://127.0.0.1:${port}`;
    for (const headers of [{}, { host: 'localhost' }, { 'x-forwarded-for': '127.0.0.1' }]) {
      expect((await askMetrics(headers as Record<string, string>)).status).toBe(401);
    }
    expect((await askMetrics(withToken)).status).toBe(200);
  });
});

describe('several runs', () => {
  it('are served together, each under its own link', async () => {
    await site.stop(server);
    const other = `${site.directory}/other.json`;
    site.writeConfig({ name: 'Other run' });
    copyFileSync(site.configPath, other);
    site.writeConfig({});
    server = await site.start({}, { configs: [site.configPath, other] });
    expect(server.runs.map(({ name }) => name)).toEqual(['Test run', 'Other run']);
    for (const { runId, name, url } of server.runs) {
      expect(url).toBe(`${server.contributeUrl}?run=${runId}`);
      expect((await getRun(server, runId)).run.plan.config.name).toBe(name);
    }
    expect(server.runId).toBe(server.runs[0]!.runId);
  });
});

/** `fetch` does not let a Host through. */
async function askMetrics(headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    request(`${base}/metrics`, { headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    })
      .on('error', reject)
      .end();
  });
}
