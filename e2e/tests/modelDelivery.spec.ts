import { readdirSync, writeFileSync } from 'node:fs';
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import type { BrowserContext, Route } from '@playwright/test';
import { modelPiecePath } from '@chorale/protocol';
import { LocalHub } from '@chorale/testing/localHub';
import { runCli } from '../support/cli.ts';
import { hubModelFiles } from '../support/hubModel.ts';
import { SMALL_RUN, csvRows, fetchRun, untilRun } from '../support/runs.ts';
import type { Fixtures, Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';
import { chooseRows, contribute } from '../support/tab.ts';

/** More rounds than pass until the page is opened again. */
const HUB_RUN = {
  ...SMALL_RUN,
  model: 'hf:acme/tiny@v1',
  rounds: { count: 6, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 120 },
};

let hub: LocalHub;
test.beforeAll(async () => {
  hub = await LocalHub.start(hubModelFiles());
});
test.afterAll(async () => {
  await hub.stop();
});

/** A server of a run on the hub's model, and the addresses of its pieces: small files, then the weights' two. */
async function serveHubModel(serve: Fixtures['serve']): Promise<Serving & { pieces: string[] }> {
  const serving = await serve(HUB_RUN, { HF_ENDPOINT: hub.endpoint });
  const { run } = await fetchRun(serving.contributeUrl);
  const files = run.plan.model.files.toSorted((a, b) => a.sizeBytes - b.sizeBytes);
  expect(files.at(-1)).toMatchObject({ name: 'model.safetensors' });
  expect(files.at(-1)!.pieces.map(({ sizeBytes }) => sizeBytes)).toEqual([2 ** 24, expect.any(Number)]);
  const pieces = files.flatMap((file) => file.pieces.map(modelPiecePath));
  return { ...serving, pieces };
}

/** Paths of the pieces that a browser asks its server for from now on, whatever becomes of the requests. */
function piecesAsked(context: BrowserContext): string[] {
  const paths: string[] = [];
  context.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/models/')) paths.push(pathname);
  });
  return paths;
}

test('a run on a model of a hub: a tab reloaded in the middle goes on where it was, and a later visit loads nothing', async ({
  serve,
  newTab,
}) => {
  const { contributeUrl, tabUrl, pieces } = await serveHubModel(serve);
  expect(hub.filesAsked.toSorted()).toEqual(
    [...hub.files.keys()].filter((name) => !/README|pytorch/.test(name)).toSorted(),
  );
  const { run } = await fetchRun(contributeUrl);
  expect(run.plan.model).toMatchObject({
    name: 'acme/tiny',
    source: { repository: 'acme/tiny', revision: hub.commit },
  });

  const tab = await newTab();
  const { page } = tab;
  const context = page.context();
  const asked = piecesAsked(context);
  const last = pieces.at(-1)!;
  // The last piece does not come, as on a bad network
  const held: Route[] = [];
  await context.route(`**${last}`, (route) => void held.push(route));
  await page.goto(tabUrl);
  await chooseRows(tab, csvRows(20));
  await expect(page.getByText(/Loading the model: \d+ of 2\d MB/)).toBeVisible();
  await expect
    .poll(() => page.evaluate(async () => (await (await caches.open('chorale-models')).keys()).length))
    .toBe(2 * (pieces.length - 1));
  expect(asked.toSorted()).toEqual(pieces.toSorted());

  asked.length = 0;
  await page.reload();
  await context.unroute(`**${last}`);
  await contribute(tab, tabUrl, csvRows(20));
  expect(asked).toEqual([last]);
  await untilRun(contributeUrl, ({ rounds }) => rounds.length > 1);

  asked.length = 0;
  await contribute(tab, tabUrl, csvRows(20));
  await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
  expect(asked).toEqual([]);
});

test('a wrong byte is refused, asked for again, and told in words; what was right is kept', async ({
  serve,
  newTab,
}) => {
  const { tabUrl, pieces } = await serveHubModel(serve);
  const tab = await newTab();
  const { page } = tab;
  const asked = piecesAsked(page.context());
  const wrong = pieces.at(-2)!;
  await page.context().route(`**${wrong}`, async (route) => {
    const response = await route.fetch();
    const body = Buffer.from(await response.body());
    body[1000]! ^= 1;
    await route.fulfill({ response, body });
  });
  await page.goto(tabUrl);
  await chooseRows(tab, csvRows(20));
  await expect(
    page.getByText(
      "What came as model.safetensors is not the file this run's plan names, also when asked for again.",
    ),
  ).toBeVisible();
  expect(asked.filter((path) => path === wrong)).toHaveLength(2);

  // Without the one who changes it, the same button works
  await page.context().unroute(`**${wrong}`);
  asked.length = 0;
  await page.getByRole('button', { name: 'Use these rows' }).click();
  await expect(page.getByText(/20 (of 20 )?rows/).first()).toBeVisible();
  expect(asked).toContain(wrong);
  expect(asked.length).toBeLessThan(pieces.length);
});

test('a process keeps models in a folder', async ({ serve }) => {
  const { contributeUrl, server, pieces } = await serveHubModel(serve);
  const rows = join(server.directory, 'rows.csv');
  writeFileSync(rows, csvRows(20));
  const folder = join(server.directory, 'models');
  const from = ['--server', contributeUrl, '--data', rows, '--ledger', 'memory', '--model-cache', folder];
  expect(await runCli(['contribute', ...from])).toMatchObject({ exitCode: 0, stderr: '' });
  expect(
    readdirSync(folder)
      .map((hash) => `/models/${hash}`)
      .toSorted(),
  ).toEqual(pieces.toSorted());
});
