import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { modelPiecePath } from '@chorale/protocol';
import { LocalHub } from '@chorale/testing/localHub';
import type { ServerParts } from './serverParts.ts';
import { NO_HUB, TestSite, asAdmin, getRun, testParts } from './testServer.fixture.ts';

let site: TestSite;
let hub: LocalHub;
beforeEach(async () => {
  hub = await LocalHub.start(
    new Map([
      ['config.json', new TextEncoder().encode('{}')],
      ['weights.bin', Uint8Array.of(1, 2, 3)],
      ['pytorch_model.bin', Uint8Array.of(9)],
    ]),
  );
  site = new TestSite({ model: 'hf:acme/tiny' });
});
afterEach(async () => {
  await site.clean();
  await hub.stop();
});

const parts: Partial<ServerParts> = {
  neededModelFiles: (names) => names.filter((name) => !name.startsWith('pytorch')).toSorted(),
  exportPeft: (_files, _config, _parameters, base) =>
    new Map([['base.json', new TextEncoder().encode(JSON.stringify(base))]]),
  packModel: (files) => new Map([...files].map(([name, bytes]) => [name, Uint8Array.of(...bytes, 0)])),
};
const start = (newRun = false) => site.start(parts, { hub: { ...NO_HUB, endpoint: hub.endpoint }, newRun });

it('downloads a model once, names its commit in the plan, and serves what was packed of it', async () => {
  const first = await start();
  const { run } = await getRun(first);
  expect(run.plan.model).toMatchObject({
    name: 'acme/tiny',
    source: { repository: 'acme/tiny', revision: hub.commit },
  });
  const weights = run.plan.model.files.find(({ name }) => name === 'weights.bin')!;
  const response = await fetch(new URL(modelPiecePath(weights.pieces[0]!), first.contributeUrl));
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(Uint8Array.of(1, 2, 3, 0));
  expect(hub.filesAsked).toEqual(['config.json', 'weights.bin']);
  const zip = await asAdmin(first, `runs/${first.runId}/adapter.zip`);
  const { unzipSync } = await import('fflate');
  const exported = unzipSync(new Uint8Array(await zip.arrayBuffer()));
  const [card, base] = ['README.md', 'base.json'].map((name) => new TextDecoder().decode(exported[name]));
  expect(JSON.parse(base!)).toEqual({ baseModel: 'acme/tiny', revision: hub.commit });
  expect(card).toContain('base_model: acme/tiny\n');
  expect(card).toContain(`acme/tiny at commit ${hub.commit}`);

  // The hub is gone, and so is nothing: the same run goes on
  await site.stop(first);
  await hub.stop();
  const second = await start();
  expect(second.runId).toBe(first.runId);
});

it('goes on with the commit of its run when the branch has moved, and takes the new one for a new run', async () => {
  const first = await start();
  const commit = hub.commit;
  await site.stop(first);
  hub.commit = 'b'.repeat(40);
  hub.files.set('weights.bin', Uint8Array.of(4, 5, 6, 7));

  const second = await start();
  expect(second.runId).toBe(first.runId);
  expect(hub.filesAsked).toHaveLength(2);
  const stopped = await asAdmin(second, `runs/${second.runId}/stop`, { method: 'POST' });
  expect(stopped.status).toBe(200);
  await site.stop(second);

  const third = await start(true);
  expect(third.runId).not.toBe(first.runId);
  expect((await getRun(third)).run.plan.model.source!.revision).toBe(hub.commit);
  expect((await getRun(third, first.runId)).run.plan.model.source!.revision).toBe(commit);
});

it('comes to the same plan from a hub as another server', async () => {
  const first = await start();
  const { planHash } = (await getRun(first)).run;
  const other = new TestSite({ model: 'hf:acme/tiny' });
  try {
    const server = await other.start(
      { ...testParts, ...parts },
      { hub: { ...NO_HUB, endpoint: hub.endpoint } },
    );
    expect((await getRun(server)).run.planHash).toBe(planHash);
  } finally {
    await other.clean();
  }
});

it('does not start on a model it cannot get, and leaves the data directory free', async () => {
  site.writeConfig({ model: 'hf:acme/tiny@v9' });
  await expect(start()).rejects.toMatchObject({ code: 'HUB_REFUSED' });
  site.writeConfig({ model: 'hf:acme/tiny@v1' });
  const server = await start();
  expect((await getRun(server)).run.plan.model.source!.revision).toBe(hub.commit);
  expect(readdirSync(`${site.dataDir}/hub/acme/tiny`).toSorted()).toEqual(
    [hub.commit, `${hub.commit}.json`, 'v1.json'].toSorted(),
  );
});
