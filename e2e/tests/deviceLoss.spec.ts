import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { bindingOf, decodeUpdate } from '@chorale/protocol';
import { openSqliteStore } from '@chorale/store';
import { fetchDetail } from '../support/adminApi.ts';
import { gpuDeviceCount, loseGpuDevice, watchGpuDevices } from '../support/gpu.ts';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { contribute, statusOf } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

/** Steps enough to lose the device in the middle of a round, and a deadline that never comes. */
const LONG_ROUNDS = {
  ...SMALL_RUN,
  training: { ...SMALL_RUN.training, localSteps: 12 },
  rounds: { count: 3, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 3600 },
};

/** A software GPU, which other work on the machine may hold up. */
const SLOW = { timeout: 120_000 };

/** Not before the first step is done: a software GPU takes long to build its programs, and is lost only after that. */
async function inTheMiddleOf(page: Page, round: number): Promise<void> {
  await expect(page.getByText(`Round ${round}`, { exact: true })).toBeVisible(SLOW);
  const step = page.getByRole('progressbar', { name: 'Step of this round' });
  await expect(step).toHaveAttribute('value', /^[2-9]$/, SLOW);
}

test('a GPU that is lost twice: its rounds are given up and computed anew, on it and then on another backend', async ({
  serve,
  newTab,
}) => {
  const serving = await serve(LONG_ROUNDS);
  test.slow(); // rounds are computed more than once
  const tab = await newTab();
  const { page } = tab;
  page.setDefaultTimeout(SLOW.timeout);
  await watchGpuDevices(page);
  const backend = page.locator('[data-backend]');
  const troubles = page.getByRole('status').filter({ hasText: 'Your device had' });

  // No ?backend=: one that was asked for would not be replaced
  await contribute(tab, serving.contributeUrl, csvRows(20));
  await expect(backend).toHaveAttribute('data-backend', 'webgpu', SLOW);
  expect(await gpuDeviceCount(page)).toBe(1);

  await inTheMiddleOf(page, 1);
  await loseGpuDevice(page);
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'recovering', SLOW);
  await expect(page.getByText('Starting your device again')).toBeVisible();
  await expect(page.getByRole('table', { name: 'Your rounds' }).getByRole('row').nth(1)).toContainText(
    'round given up, not used',
  );
  await expect
    .poll(async () => (await fetchDetail(serving)).contributors.map(({ availability }) => availability))
    .toEqual(['paused']);
  await expect(troubles).toContainText('Your device had a problem');
  await expect(troubles).toContainText(/WebGPU: The graphics device was lost.* It was started again\./);
  await expect(backend).toHaveAttribute('data-backend', 'webgpu');
  await untilRun(serving.contributeUrl, ({ state }) => state.adapterVersion === 1);
  // The round after it was trained on a new device
  expect(await gpuDeviceCount(page)).toBe(2);

  await inTheMiddleOf(page, 2);
  await loseGpuDevice(page);
  await expect(backend).toHaveAttribute('data-backend', 'wasm', SLOW);
  await expect(troubles).toContainText('Your device had 2 problems');
  await expect(troubles).toContainText(/WebGPU: failed again.* Another way to compute took its place\./);

  const { run, rounds } = await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  expect(rounds.map(({ round, received }) => [round, received])).toEqual([
    [0, 0],
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(page.getByText('3 updates of yours became part of the shared model.')).toBeVisible();
  // What was given up cost nothing: three rounds are charged, however often they were begun
  await expect(page.locator('[data-spent-epsilon]')).toHaveAttribute(
    'data-spent-epsilon',
    String(rounds[3]!.spentEpsilon),
  );

  await serving.server.kill();
  const store = openSqliteStore(join(serving.server.dataDir, 'chorale.sqlite'));
  for (const round of [1, 2, 3]) {
    const updates = [...store.eachUpdate(run.runId, round)];
    expect(updates).toHaveLength(1);
    const { values } = decodeUpdate(updates[0]!.bytes, bindingOf(run));
    expect(Math.hypot(...values)).toBeGreaterThan(0);
  }
  store.close();
});

test('a GPU that was asked for and is lost twice is not replaced: the page says what to do, and the round stays open', async ({
  serve,
  newTab,
}) => {
  const serving = await serve(LONG_ROUNDS);
  test.slow(); // rounds are computed more than once
  const tab = await newTab();
  const { page } = tab;
  page.setDefaultTimeout(SLOW.timeout);
  await watchGpuDevices(page);
  await contribute(tab, new URL('?backend=webgpu', serving.contributeUrl).href, csvRows(20));
  for (const losses of [1, 2]) {
    await expect.poll(() => gpuDeviceCount(page)).toBe(losses);
    await inTheMiddleOf(page, 1);
    await loseGpuDevice(page);
    if (losses === 1) await expect(statusOf(tab)).toHaveAttribute('data-status', 'recovering', SLOW);
  }
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped', SLOW);
  await expect(page.getByText('Your device had a problem').first()).toBeVisible();
  await expect(
    page.getByText(/This device cannot use webgpu: failed again.*without \?backend=webgpu/),
  ).toBeVisible();
  const { rounds } = await untilRun(serving.contributeUrl, () => true);
  expect(rounds.map(({ received }) => received)).toEqual([0]);
});
