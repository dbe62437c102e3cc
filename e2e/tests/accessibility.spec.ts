import { WIDE, expectAccessible } from '../support/accessible.ts';
import { act } from '../support/adminApi.ts';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { chooseRows, contribute, statusOf } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

/** A round of one tab that does not end by itself before it was looked at. */
const LONG_RUN = {
  ...SMALL_RUN,
  training: { ...SMALL_RUN.training, localSteps: 400, samplingRate: 0.4, expectedBatchSize: 24 },
  rounds: { count: 2, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 300 },
};

test('the contributor page is accessible at the start, with rows chosen and while contributing', async ({
  serve,
  newTab,
}) => {
  const { tabUrl } = await serve(LONG_RUN);
  const tab = await newTab();
  const { page } = tab;
  await page.goto(tabUrl);
  await expect(page.getByLabel('Choose a file')).toBeVisible();
  await expectAccessible(page, 'start');

  await page.setViewportSize(WIDE);
  await chooseRows(tab, [csvRows(60).trimEnd(), 'a new law,politics', ''].join('\n'));
  await page.getByText('The exact numbers').click();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click(); // asks to tick the box
  await expect(page.getByText('Please read this section')).toBeVisible();
  await expectAccessible(page, 'rows chosen');

  await page.getByLabel('I have read what leaves my device').check();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'training', { timeout: 60_000 });
  await page.getByRole('button', { name: 'Stop', exact: true }).click(); // the question, too
  await expectAccessible(page, 'contributing');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'training');

  await page.getByRole('button', { name: 'Stop for good' }).click();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expectAccessible(page, 'stopped');
});

test('what the contributor page refuses is accessible, and so is the way out', async ({ serve, newTab }) => {
  const { contributeUrl } = await serve(SMALL_RUN);
  const tab = await newTab();
  const { page } = tab;
  await page.goto(new URL('?backend=nonsense', contributeUrl).href);
  await page.getByLabel('Or paste rows').fill('one column');
  await expect(page.getByRole('alert')).toBeVisible();
  await expectAccessible(page, 'refused rows');

  await chooseRows(tab, csvRows(20));
  await page.getByRole('button', { name: 'I do not agree' }).click();
  await expect(page.getByRole('heading', { name: 'You are not contributing' })).toBeVisible();
  await expectAccessible(page, 'closing note');

  await page.goto(new URL('?run=nowhere', contributeUrl).href);
  await expect(page.getByText('The run could not be loaded')).toBeVisible();
  await expectAccessible(page, 'unknown run');
  // Chromium notes the answer itself
  expect(tab.problems.splice(0)).toEqual([expect.stringContaining('404 (Not Found)')]);
});

test('the admin pages are accessible: sign-in, runs, an empty run, a round in work, the end', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({
    ...LONG_RUN,
    training: { ...LONG_RUN.training, localSteps: 20 },
    rounds: { ...LONG_RUN.rounds, count: 5 },
  });
  const { page } = await newTab();
  await page.goto(new URL('/admin', serving.contributeUrl).href);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expectAccessible(page, 'sign-in');

  await page.goto(serving.adminUrl);
  await page.getByRole('link', { name: 'small' }).click();
  await expect(page.getByText('Nobody is here yet.')).toBeVisible();
  await expectAccessible(page, 'empty run');

  const tab = await newTab();
  await contribute(tab, serving.tabUrl, csvRows(60));
  await untilRun(serving.contributeUrl, ({ state }) => state.adapterVersion === 1);
  await act(serving, 'pause');
  await expect(page.getByRole('button', { name: 'Resume run' })).toBeVisible();
  await page.getByText('Whole config as JSON').click();
  await page.getByText('Show as a table').first().click();
  await page.getByRole('button', { name: 'Stop run' }).click();
  await expectAccessible(page, 'run with a round');

  await page.getByRole('button', { name: 'Stop for good' }).click();
  await expect(page.getByText('The run has ended; there is nothing left to control.')).toBeVisible();
  await expectAccessible(page, 'ended run');
  await page.getByRole('link', { name: 'All runs' }).click();
  await expect(page.getByRole('heading', { name: 'Runs' })).toBeVisible();
  await expectAccessible(page, 'runs');
});
