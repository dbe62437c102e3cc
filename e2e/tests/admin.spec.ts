import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { readSafetensors } from '@chorale/model';
import { unzipSync } from 'fflate';
import { fetchDetail } from '../support/adminApi.ts';
import { SMALL_RUN, csvRows, fetchRun, untilRun } from '../support/runs.ts';
import type { Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';
import { contribute } from '../support/tab.ts';

/** Rounds of some seconds, so that the page can be looked at while they run. */
const WATCHED_RUN = {
  ...SMALL_RUN,
  training: { ...SMALL_RUN.training, localSteps: 20, samplingRate: 0.4, expectedBatchSize: 24 },
  rounds: { count: 8, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 120 },
};

async function openOverview(page: Page, { adminUrl }: Serving): Promise<void> {
  await page.goto(adminUrl);
  await page.getByRole('link', { name: 'small' }).click();
  await expect(page.getByRole('heading', { name: 'small', level: 1 })).toBeFocused();
}

/** A card of the overview. */
function card(page: Page, name: string | RegExp) {
  return page.getByRole('region', { name });
}

test('the printed link signs in once, with a cookie that no script can read; without it nothing is shown', async ({
  serve,
  newTab,
}) => {
  const { contributeUrl, adminUrl, adminToken, runId } = await serve(SMALL_RUN);
  const stranger = await newTab();
  await stranger.page.goto(new URL(`/admin/runs/${runId}`, contributeUrl).href);
  await expect(stranger.page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(stranger.page.getByText('small')).toBeHidden();
  for (const path of ['/api/admin/runs', `/api/admin/runs/${runId}/adapter.zip`]) {
    expect((await fetch(new URL(path, contributeUrl))).status).toBe(401);
  }

  // What was printed can also be pasted; a missing one is asked for
  await stranger.page.getByRole('button', { name: 'Sign in' }).click();
  await expect(stranger.page.getByText('Paste the link or the token first.')).toBeVisible();
  await stranger.page.getByLabel('Link or token').fill(`${adminToken}x`);
  await stranger.page.getByRole('button', { name: 'Sign in' }).click();
  await expect(stranger.page.getByRole('heading', { name: 'This link has expired' })).toBeVisible();
  expect(await stranger.page.context().cookies()).toEqual([]);
  // Chromium notes the refused address itself
  expect(stranger.problems.splice(0)).toEqual([expect.stringContaining('401 (Unauthorized)')]);
  await stranger.page.goBack();
  await stranger.page.getByLabel('Link or token').fill(` ${adminUrl} `);
  await stranger.page.getByRole('button', { name: 'Sign in' }).click();
  await expect(stranger.page.getByRole('heading', { name: 'Runs' })).toBeVisible();

  const { page } = await newTab();
  await page.goto(adminUrl);
  await expect(page.getByRole('heading', { name: 'Runs' })).toBeVisible();
  expect(page.url()).not.toContain(adminToken);
  const cookies = await page.context().cookies();
  expect(cookies).toMatchObject([{ name: 'chorale_admin', httpOnly: true, sameSite: 'Strict', path: '/' }]);
  expect(cookies[0]!.value).not.toContain(adminToken);
  expect(await page.evaluate(() => document.cookie)).toBe('');
});

test('an admin watches rounds live, pauses, resumes, stops and takes the adapter home', async ({
  serve,
  newTab,
}) => {
  const serving = await serve(WATCHED_RUN);
  const { contributeUrl, runId, tabUrl } = serving;
  const admin = await newTab();
  const { page } = admin;
  await page.goto(serving.adminUrl);
  await expect(page.getByText('live')).toBeVisible();
  const item = page.getByRole('listitem').filter({ hasText: 'small' });
  await expect(item).toContainText('Recruiting');
  await expect(item).toContainText('0 of 8');

  // Before anybody is there: the address to send, and nothing to download
  await openOverview(page, serving);
  const address = page.getByLabel('Address for contributors');
  await expect(address).toHaveValue(`${contributeUrl}?run=${runId}`);
  expect((await fetch(await address.inputValue())).status).toBe(200);
  await expect(page.getByText('No round is aggregated yet.')).toBeVisible();
  await expect(page.getByText('No cohort yet.')).toBeVisible();

  const tabs = [await newTab(), await newTab()];
  for (const tab of tabs) await contribute(tab, tabUrl, csvRows(60));
  const members = card(page, 'Cohort of this round').locator('[data-member-state]');
  await expect(members).toHaveCount(2);
  const ids = (await fetchDetail(serving)).contributors.map(({ contributorId }) => contributorId);
  for (const id of ids) await expect(members.filter({ hasText: id.slice(0, 8) })).toHaveCount(1);

  // Rounds arrive by themselves
  const line = (round: number) =>
    card(page, 'Rounds')
      .getByRole('row')
      .filter({ has: page.getByRole('rowheader', { name: String(round), exact: true }) });
  await expect(line(1)).toContainText('1122', { timeout: 60_000 }); // round, attempt, cohort, received

  // Pause: the open round may finish, no further one begins
  await page.getByRole('button', { name: 'Pause run' }).click();
  await expect(page.getByRole('button', { name: 'Resume run' })).toBeVisible();
  const paused = await untilRun(contributeUrl, ({ state }) => state.reason === 'paused by the admin');
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect((await fetchRun(contributeUrl)).state).toEqual(paused.state);
  await expect(tabs[0]!.page.getByText('Paused by the admin').first()).toBeVisible();
  await expect(card(page, /^Round /)).toContainText('Paused');

  // Now that nothing moves: the page shows what the server has
  const last = paused.rounds.at(-1)!;
  await expect(line(last.round)).toContainText(`${(100 * last.testAccuracy!).toFixed(1)} %`);
  for (const name of ['Test accuracy', 'Test loss']) {
    const curve = page.getByRole('img', {
      name: new RegExp(`^${name} by round: .* after round ${last.round}\\.$`),
    });
    await expect(curve.locator('canvas')).toBeVisible();
  }
  const meter = card(page, 'Privacy').getByRole('meter', { name: /^Epsilon/ });
  await expect(meter).toHaveAttribute('aria-valuenow', String(last.spentEpsilon));

  await page.getByRole('button', { name: 'Resume run' }).click();
  await untilRun(contributeUrl, ({ state }) => state.status !== 'paused');
  await expect(page.getByRole('button', { name: 'Pause run' })).toBeVisible();

  // Stop asks first
  await page.getByRole('button', { name: 'Stop run' }).click();
  const question = page.getByRole('group', { name: /A stop is final/ });
  await expect(question).toBeFocused();
  // The question stays while the run goes on under it
  await untilRun(
    contributeUrl,
    (run) => run.state.adapterVersion > last.round && run.state.status === 'training',
  );
  await expect(card(page, `Round ${last.round + 2} of 8`)).toContainText('Training');
  await expect(question).toBeVisible();
  await page.getByRole('button', { name: 'Keep running' }).click();
  expect((await fetchRun(contributeUrl)).state.status).not.toBe('stopped');
  await page.getByRole('button', { name: 'Stop run' }).click();
  await page.getByRole('button', { name: 'Stop for good' }).click();
  const { state } = await untilRun(contributeUrl, (run) => run.state.status === 'stopped');
  await expect(page.getByText('The run has ended; there is nothing left to control.')).toBeVisible();
  for (const tab of tabs) {
    await expect(tab.page.getByText('The run was ended by its operator: stopped by the admin')).toBeVisible();
  }

  const downloading = page.waitForEvent('download');
  await page.getByRole('link', { name: `Download adapter version ${state.adapterVersion}` }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe(`${runId}-v${state.adapterVersion}.zip`);
  const files = unzipSync(new Uint8Array(readFileSync(await download.path())));
  expect(Object.keys(files).toSorted()).toEqual([
    'README.md',
    'adapter_config.json',
    'adapter_model.safetensors',
  ]);
  const config: unknown = JSON.parse(Buffer.from(files['adapter_config.json']!).toString());
  expect(config).toMatchObject({ peft_type: 'LORA', r: 2, lora_alpha: 2 });
  // Throws for values that are not finite
  const tensors = readSafetensors(files['adapter_model.safetensors']!);
  expect([...tensors.keys()].filter((name) => name.includes('lora_A')).length).toBeGreaterThan(0);
  const trained = [...tensors].filter(([name]) => name.includes('lora_B'));
  expect(trained.length).toBeGreaterThan(0);
  expect(trained.every(([, { values }]) => values.some((value) => value !== 0))).toBe(true);
});

test('when the server is gone the page says so, and it is live again by itself', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({
    ...SMALL_RUN,
    rounds: { ...SMALL_RUN.rounds, count: 1, cohortSize: 1, minimumUpdates: 1 },
  });
  const admin = await newTab();
  const { page } = admin;
  await openOverview(page, serving);
  await expect(page.getByRole('status').getByText('live')).toBeVisible();
  await serving.server.kill();
  await expect(page.getByText('disconnected', { exact: true })).toBeVisible();
  await expect(page.getByText('Disconnected from the server')).toBeVisible();
  await expect(page.getByText(/What you see was current .*ago|just now/)).toBeVisible();
  await page.getByRole('button', { name: 'Pause run' }).click();
  await expect(page.getByRole('alert')).toContainText(
    'The server does not answer. Check that it is running.',
  );

  await serving.server.start();
  await expect(page.getByRole('status').getByText('live')).toBeVisible();
  await expect(page.getByText('Disconnected from the server')).toBeHidden();
  // Chromium notes every connection that fails; nothing else may have gone wrong
  const refused = /ERR_CONNECTION_REFUSED/;
  expect(admin.problems.filter((problem) => !refused.test(problem))).toEqual([]);
  admin.problems.length = 0;

  // The same sign-in, and what happens arrives again
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, csvRows(20));
  await expect(card(page, 'Contributors').getByRole('row')).toHaveCount(2);
  await expect(page.getByText('The run has ended; there is nothing left to control.')).toBeVisible();
  await expect(card(page, 'Rounds').getByRole('row').nth(1)).toContainText('1111');
});
