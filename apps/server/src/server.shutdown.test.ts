import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { openSqliteStore } from '@chorale/store';
import type { ServerProcess } from './testing/serverProcess.ts';
import { startServerProcess } from './testing/serverProcess.ts';
import type { ScriptedContributor } from './testServer.fixture.ts';
import { TestSite, codeOf, getRun, until } from './testServer.fixture.ts';

let site: TestSite;
const processes: ServerProcess[] = [];
afterEach(async () => {
  for (const { server } of processes.splice(0)) await server.close();
  await site.clean();
});

async function start(args: string[] = [], env: Record<string, string> = {}): Promise<ServerProcess> {
  const own = ['--data-dir', site.dataDir, '--config', site.configPath, '--port', '0'];
  const started = await startServerProcess([...own, ...args], env);
  processes.push(started);
  return started;
}

const tooLate = (seconds: number) =>
  new Promise<string>((resolve) =>
    setTimeout(() => resolve(`still there after ${seconds} s`), 1000 * seconds).unref(),
  );

it('stores or does not acknowledge what is in flight at SIGTERM, and the next start goes on', async () => {
  const cohort = 24;
  site = new TestSite({ rounds: { count: 2, cohortSize: cohort, minimumUpdates: 1, deadlineSeconds: 60 } });
  const first = await start();
  const contributors = await site.joined(first.server, cohort);
  await Promise.all(contributors.map((one) => one.round(1)));

  const values = (k: number) => [k, 1, 2, 3];
  const sent = contributors.slice(1).map(async (one, k) => {
    // Some before the signal, some in the moment of it, some after
    await new Promise((resolve) => setTimeout(resolve, k * 2));
    return await one.send(1, values(k + 1)).then(codeOf, () => 'no answer');
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const signalledAt = Date.now();
  first.child.kill('SIGTERM');
  const outcomes = await Promise.all(sent);
  expect(await Promise.race([first.ended, tooLate(10)])).toBe(0);
  expect(Date.now() - signalledAt).toBeLessThan(10_000);
  expect(outcomes).toContain('ok');
  for (const outcome of outcomes)
    expect(['ok', 'SERVER_CLOSING', 'no answer', 'DISCONNECTED']).toContain(outcome);

  // The database is whole by itself: its write-ahead log is in it
  const wal = join(site.dataDir, 'chorale.sqlite-wal');
  expect(existsSync(wal) ? statSync(wal).size : 0).toBe(0);
  const store = openSqliteStore(join(site.dataDir, 'chorale.sqlite'));
  const stored = new Set(store.receivedContributors(first.server.runId, 1));
  store.close();
  const idsOf = (wanted: string) =>
    contributors.slice(1).flatMap((one, k) => (outcomes[k] === wanted ? one.identity!.contributorId : []));
  expect(idsOf('ok').filter((id) => !stored.has(id))).toEqual([]);
  expect(idsOf('SERVER_CLOSING').filter((id) => stored.has(id))).toEqual([]);

  const second = await start();
  expect(second.server.runId).toBe(first.server.runId);
  const again: ScriptedContributor[] = [];
  for (const { identity } of contributors) {
    const one = await site.contributor(second.server);
    one.identity = identity;
    await one.joinOrThrow();
    again.push(one);
  }
  for (const [k, one] of again.entries()) {
    const answer = await one.send(1, values(k));
    expect(answer).toEqual({
      ok: true,
      value: { round: 1, duplicate: stored.has(one.identity!.contributorId) },
    });
  }
  const record = await until(
    async () => (await getRun(second.server)).rounds.find(({ round }) => round === 1),
    'the end of the round',
  );
  expect(record).toMatchObject({ received: cohort, attempt: 1 });
});

it('finishes what it computes, says meanwhile that it closes, and takes nothing new', async () => {
  site = new TestSite();
  const { server, child, ended, logged } = await start([], { PRICE_MS: '1500' });
  const contributors = await site.joined(server, 2);
  await Promise.all(contributors.map((one) => one.round(1)));
  for (const one of contributors) expect(codeOf(await one.send(1, [1, 2, 3, 4]))).toBe('ok');

  child.kill('SIGTERM');
  const ready = async () => {
    const response = await fetch(`${server.contributeUrl}readyz`);
    return { status: response.status, body: (await response.json()) as unknown };
  };
  await until(async () => (await ready()).status === 503, '503');
  expect(await ready()).toEqual({ status: 503, body: { ready: false, reason: 'closing' } });
  expect((await fetch(`${server.contributeUrl}healthz`)).status).toBe(200);
  expect(codeOf(await contributors[0]!.send(2, [1, 2, 3, 4]))).toBe('SERVER_CLOSING');
  // Refused with the handshake, before any event
  const late = await site.contributor(server);
  expect(codeOf(await late.connect())).toBe('SERVER_CLOSING');

  expect(await Promise.race([ended, tooLate(10)])).toBe(0);
  expect(logged.map(({ msg }) => msg)).toContain('closed');
  const store = openSqliteStore(join(site.dataDir, 'chorale.sqlite'));
  expect(store.listRecords(server.runId).map(({ round }) => round)).toEqual([0, 1]);
  store.close();
});

it('parks the round when its time is up, and goes on with it after the next start', async () => {
  site = new TestSite();
  const slow = await start(['--shutdown-seconds', '1'], { PRICE_MS: '60000' });
  const contributors = await site.joined(slow.server, 2);
  await Promise.all(contributors.map((one) => one.round(1)));
  for (const one of contributors) expect(codeOf(await one.send(1, [1, 2, 3, 4]))).toBe('ok');
  const signalledAt = Date.now();
  slow.child.kill('SIGINT');
  expect(await Promise.race([slow.ended, tooLate(5)])).toBe(0);
  expect(Date.now() - signalledAt).toBeGreaterThan(500);
  expect(slow.logged.map(({ msg }) => msg).join('\n')).toMatch(/goes on from the disk at the next start/);

  const quick = await start();
  const record = await until(
    async () => (await getRun(quick.server)).rounds.find(({ round }) => round === 1),
    'the round that was parked',
  );
  expect(record).toMatchObject({ received: 2, attempt: 1 });
});

it('ends at once at the second signal', async () => {
  site = new TestSite();
  const { server, child, ended } = await start(['--shutdown-seconds', '60'], { PRICE_MS: '60000' });
  const contributors = await site.joined(server, 2);
  await Promise.all(contributors.map((one) => one.round(1)));
  for (const one of contributors) await one.send(1, [1, 2, 3, 4]);
  child.kill('SIGTERM');
  expect(await Promise.race([ended, tooLate(1.5)])).toBe('still there after 1.5 s');
  child.kill('SIGTERM');
  expect(await Promise.race([ended, tooLate(2)])).toBe(143);
});
