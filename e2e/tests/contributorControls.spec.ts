import type { RunConfigInput } from '@chorale/protocol';
import { launchChromium } from '@chorale/chromium';
import { act, fetchDetail } from '../support/adminApi.ts';
import { SMALL_RUN, csvRows, fetchRun, untilRun } from '../support/runs.ts';
import { HeldUpdates } from '../support/heldUpdates.ts';
import { chooseRows, contribute, openTabIn, statusOf } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

/** Rounds that take a tab several seconds, so that something can happen in the middle of one. */
const LONG_TRAINING = { ...SMALL_RUN.training, localSteps: 40, samplingRate: 0.4, expectedBatchSize: 24 };
const LONG_ROWS = csvRows(60);

/** Rounds of one tab alone. */
function alone(count: number, deadlineSeconds = 120): RunConfigInput['rounds'] {
  return { count, cohortSize: 1, minimumUpdates: 1, deadlineSeconds };
}

test('nothing starts without consent, and "I do not agree" leads out and back', async ({ serve, newTab }) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(1) });
  const tab = await newTab();
  const { page } = tab;
  await page.goto(serving.tabUrl);
  await chooseRows(tab, csvRows(20));
  const consent = page.getByLabel('I have read what leaves my device');
  const agree = page.getByRole('button', { name: 'I agree, start contributing' });

  await agree.click();
  await expect(page.getByRole('alert')).toHaveText('Please read this section and tick the box first.');
  await expect(consent).toBeFocused();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'not-joined');
  await expect(page.getByText('Opens when you have read the section above and agreed.')).toBeVisible();

  await page.getByRole('button', { name: 'I do not agree' }).click();
  await expect(page.getByRole('heading', { name: 'You are not contributing' })).toBeFocused();
  await expect(page.getByText('Nothing left this device, and nothing was kept of your rows.')).toBeVisible();
  expect((await fetchDetail(serving)).contributors).toEqual([]);

  await page.getByRole('button', { name: 'Go back to the page' }).click();
  await expect(consent).toBeHidden(); // the rows are gone
  await chooseRows(tab, csvRows(20));
  await consent.check();
  await agree.click();
  await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  await expect(page.getByRole('heading', { name: 'Contribute , done' })).toBeVisible();
  await expect(page.getByText('The run is completed')).toBeVisible();
  await expect(page.getByText('1 update of yours became part of the shared model.')).toBeVisible();
  expect((await fetchDetail(serving)).contributors).toMatchObject([{ rounds: 1, backend: 'wasm' }]);
});

test('a pause in the middle of a round stops this tab; the round closes with the others; resume goes on', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({
    ...SMALL_RUN,
    training: LONG_TRAINING,
    rounds: { count: 2, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 25 },
  });
  const pausing = await newTab();
  const other = await newTab();
  await contribute(pausing, serving.tabUrl, LONG_ROWS);
  await contribute(other, serving.tabUrl, LONG_ROWS);
  await expect(statusOf(pausing)).toHaveAttribute('data-status', 'training', { timeout: 60_000 });
  await pausing.page.getByRole('button', { name: 'Pause' }).click();
  await expect(statusOf(pausing)).toHaveAttribute('data-status', 'paused');
  const rounds = pausing.page.getByRole('table', { name: 'Your rounds' });
  await expect(rounds.getByRole('row').nth(1)).toContainText('round given up, not used');
  await expect
    .poll(
      async () =>
        (await fetchDetail(serving)).contributors.filter(({ availability }) => availability === 'available')
          .length,
    )
    .toBe(1);

  const { rounds: first } = await untilRun(serving.contributeUrl, ({ state }) => state.adapterVersion === 1);
  expect(first[1]).toMatchObject({ round: 1, cohort: 2, received: 1 });
  await expect(statusOf(pausing)).toHaveAttribute('data-status', 'paused');

  await pausing.page.getByRole('button', { name: 'Resume' }).click();
  const { rounds: records } = await untilRun(
    serving.contributeUrl,
    ({ state }) => state.status === 'completed',
  );
  expect(records[2]).toMatchObject({ round: 2, cohort: 2, received: 2 });
  await expect(statusOf(pausing)).toHaveAttribute('data-status', 'stopped');
  await expect(pausing.page.getByText('1 update of yours became part')).toBeVisible();
  // The round that was given up never left and cost nothing
  const { contributors } = await fetchDetail(serving);
  const spent = Object.fromEntries(contributors.map((one) => [one.rounds, one.spentEpsilon!]));
  expect(spent[1]).toBeLessThan(spent[2]!);
  await expect(pausing.page.locator('[data-spent-epsilon]')).toHaveAttribute(
    'data-spent-epsilon',
    String(spent[1]),
  );
});

test('a pause that is taken back at once costs the round nothing but its beginning', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(1, 120) });
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, LONG_ROWS);
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'training', { timeout: 60_000 });
  // Both within one step of training
  await tab.page.evaluate(() => {
    const press = (name: string) =>
      [...document.querySelectorAll('button')].find(({ textContent }) => textContent === name)!.click();
    press('Pause');
    return new Promise<void>((resolve) =>
      requestAnimationFrame(() => {
        press('Resume');
        resolve();
      }),
    );
  });
  // Long before the deadline of two minutes
  const { rounds } = await untilRun(
    serving.contributeUrl,
    ({ state }) => state.status === 'completed',
    60_000,
  );
  expect(rounds[1]).toMatchObject({ attempt: 1, received: 1 });
});

test('"Stop for good" ends this tab; the cohort goes on without it, and the run waits for more', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({
    ...SMALL_RUN,
    training: LONG_TRAINING,
    rounds: { count: 2, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 120 },
  });
  const leaving = await newTab();
  const other = await newTab();
  await contribute(leaving, serving.tabUrl, LONG_ROWS);
  await contribute(other, serving.tabUrl, LONG_ROWS);
  await expect(statusOf(leaving)).toHaveAttribute('data-status', 'training', { timeout: 60_000 });

  const { page } = leaving;
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(page.getByText('Stop contributing to this run for good?')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toBeFocused();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('button', { name: 'Keep contributing' }).click();
  await expect(statusOf(leaving)).not.toHaveAttribute('data-status', 'stopped');
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('button', { name: 'Stop for good' }).click();

  await expect(statusOf(leaving)).toHaveAttribute('data-status', 'stopped');
  await expect(page.getByText('You stopped', { exact: true })).toBeVisible();
  await expect(page.getByText('You left this run.')).toBeVisible();
  await expect(page.getByText('None of your updates became part of the shared model.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Pause' })).toBeHidden();

  const { rounds, state } = await untilRun(
    serving.contributeUrl,
    (run) => run.state.adapterVersion === 1 && run.state.status === 'recruiting',
  );
  expect(rounds[1]).toMatchObject({ round: 1, cohort: 2, received: 1 });
  expect(state).toMatchObject({ available: 1, reason: 'waiting for contributors: 1 of 2' });
  await expect(statusOf(other)).toHaveAttribute('data-status', 'waiting');
  await expect(other.page.getByText('Waiting for contributors: 1 of 2').first()).toBeVisible();
});

test('after a reload in the middle of a run it is the same contributor, with the same ledger', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(3) });
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, LONG_ROWS);
  await untilRun(
    serving.contributeUrl,
    ({ state }) => state.status === 'training' && state.adapterVersion === 1,
  );
  const [before] = (await fetchDetail(serving)).contributors;
  await contribute(tab, serving.tabUrl, LONG_ROWS); // opens the page anew
  await expect(tab.page.locator('[data-spent-epsilon]')).toHaveAttribute(
    'data-spent-epsilon',
    /^(?!0$)/, // the first round counts from the first moment
  );
  const { rounds } = await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  expect(rounds.map(({ round, received }) => [round, received])).toEqual([
    [0, 0],
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  const { contributors } = await fetchDetail(serving);
  expect(contributors).toHaveLength(1);
  expect(contributors[0]).toMatchObject({ contributorId: before!.contributorId, rounds: 3 });
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(tab.page.locator('[data-spent-epsilon]')).toHaveAttribute(
    'data-spent-epsilon',
    String(rounds[3]!.spentEpsilon),
  );
  const own = tab.page.getByRole('table', { name: 'Your rounds' });
  await expect(own.getByRole('row', { name: 'accepted' })).toHaveCount(3);
});

test('an update that did not get through before a reload is sent again, byte for byte', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(1) });
  const tab = await newTab();
  const held = await HeldUpdates.on(tab.page);
  await contribute(tab, serving.tabUrl, csvRows(20));
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'sending', { timeout: 60_000 });
  await expect.poll(() => held.updates.length).toBe(1);
  expect((await fetchRun(serving.contributeUrl)).state).toMatchObject({ status: 'training', received: 0 });

  held.lose();
  await contribute(tab, serving.tabUrl, csvRows(30)); // other rows: the round was released already
  const { rounds } = await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  expect(rounds[1]).toMatchObject({ received: 1 });
  expect(new Set(held.updates.map((bytes) => bytes.toString('base64'))).size).toBe(1);
  expect(held.updates.length).toBeGreaterThanOrEqual(2);
  await expect(tab.page.locator('[data-spent-epsilon]')).toHaveAttribute(
    'data-spent-epsilon',
    String(rounds[1]!.spentEpsilon),
  );
});

test('an update that comes after its round was given up goes into the next attempt, byte for byte', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(1, 5) });
  const tab = await newTab();
  const held = await HeldUpdates.on(tab.page);
  await contribute(tab, serving.tabUrl, csvRows(20));
  await expect.poll(() => held.updates.length, { timeout: 60_000 }).toBe(1);
  // The deadline passes; the update arrives while no round is open
  await untilRun(
    serving.contributeUrl,
    ({ state }) => state.status === 'recruiting' && state.reason.includes('too few updates'),
  );
  held.deliver();
  const { rounds } = await untilRun(
    serving.contributeUrl,
    ({ state }) => state.status === 'completed',
    60_000,
  );
  expect(rounds[1]).toMatchObject({ received: 1 });
  expect(rounds[1]!.attempt).toBeGreaterThan(1);
  expect(new Set(held.updates.map((bytes) => bytes.toString('base64'))).size).toBe(1);
  await expect(tab.page.getByText('1 update of yours became part of the shared model.')).toBeVisible();
});

test('a second tab of the same browser is refused until the first one ends', async ({ serve, newTab }) => {
  const serving = await serve({
    ...SMALL_RUN,
    rounds: { count: 1, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 120 },
  });
  const first = await newTab();
  await contribute(first, serving.tabUrl, csvRows(20));
  await expect(statusOf(first)).toHaveAttribute('data-status', 'waiting');
  const second = await openTabIn(first.page.context());
  await contribute(second, serving.tabUrl, csvRows(20));
  await expect(statusOf(second)).toHaveAttribute('data-status', 'stopped');
  await expect(second.page.getByText('You contribute in another tab already')).toBeVisible();
  await expect(
    second.page.getByText('Use that tab, or close it and reload this one.', { exact: false }),
  ).toBeVisible();
  await expect(second.page.getByText('None of your updates')).toBeHidden();
  await expect(statusOf(first)).toHaveAttribute('data-status', 'waiting');
  expect((await fetchDetail(serving)).contributors).toHaveLength(1);

  await first.page.close();
  await contribute(second, serving.tabUrl, csvRows(20));
  await expect(statusOf(second)).toHaveAttribute('data-status', 'waiting');
  expect((await fetchDetail(serving)).contributors).toHaveLength(1); // the same profile is the same contributor
  await act(serving, 'stop');
  await expect(second.page.getByText('The run was stopped', { exact: true })).toBeVisible();
  expect(second.problems).toEqual([]);
});

test('a backend that does not exist is named, and the page chooses by itself', async ({ serve, newTab }) => {
  const { contributeUrl } = await serve(SMALL_RUN);
  const { page } = await newTab();
  await page.goto(new URL('?backend=nonsense', contributeUrl).href);
  await expect(
    page.getByText('The address of this page asks for “nonsense”, which there is not'),
  ).toBeVisible();
  await expect(page.getByText('it can be webgpu, webgl, wasm or cpu.')).toBeVisible();
  // Nothing but software adapters here, so the processor
  await expect(page.locator('[data-backend]')).toHaveAttribute('data-backend', 'wasm');
});

test('over plain http from another machine the page says that it needs https', async ({ serve, newTab }) => {
  const { contributeUrl } = await serve(SMALL_RUN);
  const browser = await launchChromium({
    webgpu: 'off',
    extraArgs: ['--host-resolver-rules=MAP chorale.test 127.0.0.1'],
  });
  try {
    const tab = await newTab({ browser });
    const { page } = tab;
    await page.goto(contributeUrl.replace('127.0.0.1', 'chorale.test'));
    const refusal = page.getByRole('alert').filter({ hasText: 'The run could not be loaded' });
    await expect(refusal).toContainText('This page was opened over plain http');
    await expect(refusal).toContainText('Open it by an https address');
    // Chromium notes that it passes over headers that only count over https
    tab.problems = tab.problems.filter((problem) => !/header/.test(problem));
    await page.context().close();
  } finally {
    await browser.close();
  }
});

test('a backend that is asked for and missing says so, and what to do', async ({ serve, newTab }) => {
  const { contributeUrl } = await serve(SMALL_RUN);
  const browser = await launchChromium({ webgpu: 'off' });
  try {
    const { page } = await newTab({ browser });
    await page.goto(new URL('?backend=webgpu', contributeUrl).href);
    const refusal = page.getByRole('alert').filter({ hasText: 'This device cannot take part' });
    await expect(refusal).toContainText('This device cannot use webgpu: no graphics adapter for WebGPU.');
    await expect(refusal).toContainText('Open the page without ?backend=webgpu.');
    await expect(page.getByText('Opens when a way to compute is found on this device.')).toBeVisible();
    // The same page as it says
    await page.goto(contributeUrl);
    await expect(page.locator('[data-backend]')).toHaveAttribute('data-backend', 'wasm');
    await page.context().close();
  } finally {
    await browser.close();
  }
});
