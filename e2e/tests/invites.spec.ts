import type { Page } from '@playwright/test';
import type { RunConfigInput } from '@chorale/protocol';
import { expectAccessible } from '../support/accessible.ts';
import { fetchDetail } from '../support/adminApi.ts';
import { SMALL_RUN, csvRows } from '../support/runs.ts';
import type { Tab } from '../support/tab.ts';
import { contribute, statusOf } from '../support/tab.ts';
import type { Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';

/** Two are needed for a round, so that whoever is let in waits. */
const BY_INVITATION: RunConfigInput = {
  ...SMALL_RUN,
  access: 'invite',
  rounds: { ...SMALL_RUN.rounds, cohortSize: 2, minimumUpdates: 2 },
};

const ROWS = csvRows(20);

/** Makes an invite through the page. @returns its link, computing on wasm */
async function makeInvite(page: Page, note: string): Promise<string> {
  await page.getByLabel('For whom').fill(note);
  await page.getByRole('button', { name: 'Make an invite' }).click();
  const line = inviteLine(page, note);
  await expect(line).toContainText('0 of 1');
  await expect(line).toContainText('open');
  const link = new URL(await page.getByLabel('The link, shown only now').inputValue());
  link.searchParams.set('backend', 'wasm');
  return link.href;
}

function inviteLine(page: Page, note: string) {
  return page.getByRole('table', { name: 'Invites of this run' }).getByRole('row').filter({ hasText: note });
}

async function expectTurnedAway(tab: Tab): Promise<void> {
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(tab.page.getByText('This run is by invitation').first()).toBeVisible();
  await expect(tab.page.getByText('Open the whole link that you were sent').first()).toBeVisible();
}

async function openRun(page: Page, { adminUrl }: Serving): Promise<void> {
  await page.goto(adminUrl);
  await page.getByRole('link', { name: 'small' }).click();
  await expect(page.getByRole('heading', { name: 'small', level: 1 })).toBeFocused();
}

test('a run by invitation: without an invite nobody joins, a link lets in as many as it says, until it is withdrawn', async ({
  serve,
  newTab,
}) => {
  const serving = await serve(BY_INVITATION);
  const contributors = async () => (await fetchDetail(serving)).contributors;
  const { page } = await newTab();
  await openRun(page, serving);
  await expect(page.getByText('Nobody is here yet. Make an invite')).toBeVisible();
  await expect(page.getByText('No invite yet.')).toBeVisible();

  const stranger = await newTab();
  await contribute(stranger, serving.tabUrl, ROWS);
  await expectTurnedAway(stranger);
  expect(await contributors()).toEqual([]);

  const link = await makeInvite(page, 'first guest');
  const guest = await newTab();
  await contribute(guest, link, ROWS);
  await expect(statusOf(guest)).toHaveAttribute('data-status', 'waiting');
  expect(guest.page.url()).not.toContain('invite');
  await expect(inviteLine(page, 'first guest')).toContainText('1 of 1');
  await expect(inviteLine(page, 'first guest')).toContainText('used up');

  const second = await newTab();
  await contribute(second, link, ROWS);
  await expectTurnedAway(second);
  expect(await contributors()).toHaveLength(1);

  // Who is in comes back without it
  await contribute(guest, serving.tabUrl, ROWS);
  await expect(statusOf(guest)).toHaveAttribute('data-status', 'waiting');
  expect(await contributors()).toHaveLength(1);

  const withdrawn = await makeInvite(page, 'second guest');
  await inviteLine(page, 'second guest').getByRole('button', { name: 'Withdraw' }).click();
  await expectAccessible(page, 'run with invites');
  await inviteLine(page, 'second guest').getByRole('button', { name: 'Withdraw it' }).click();
  await expect(inviteLine(page, 'second guest')).toContainText('withdrawn');
  await expect(page.getByLabel('The link, shown only now')).toBeHidden();
  const third = await newTab();
  await contribute(third, withdrawn, ROWS);
  await expectTurnedAway(third);
  expect(await contributors()).toHaveLength(1);

  await page.getByRole('link', { name: 'Log', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Log of admin acts' })).toBeFocused();
  const acts = page
    .getByRole('table', { name: 'Entries' })
    .locator('tbody tr')
    .filter({ hasNotText: 'run created' });
  const expected = ['invite withdrawn', 'invite made', 'invite made', 'signed in', 'server started'];
  await expect(acts).toHaveCount(expected.length);
  for (const [i, act] of expected.entries()) await expect(acts.nth(i)).toContainText(act);
  await expect(acts.first()).toContainText('127.0.0.1');
  // Codes are told once, and not by the log
  for (const one of [link, withdrawn]) {
    await expect(page.locator('main')).not.toContainText(new URL(one).hash.split('=')[1]!);
  }
  await expectAccessible(page, 'log');
});

test('signing out ends the session in every tab of the browser, and what was open shows nothing more', async ({
  serve,
  newTab,
}) => {
  const serving = await serve(SMALL_RUN);
  const { page } = await newTab();
  await openRun(page, serving);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await expect(other.getByRole('status').getByText('live')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  // The other one asked for nothing: its socket was cut
  await expect(other.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(other.getByRole('heading', { name: 'small' })).toBeHidden();
  expect(await page.context().cookies()).toEqual([]);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

test('a new sign-in link ends the old one and every other browser', async ({ serve, newTab }) => {
  const serving = await serve(SMALL_RUN);
  const mine = await newTab();
  const { page } = mine;
  await openRun(page, serving);
  const other = await newTab();
  await openRun(other.page, serving);
  await expect(other.page.getByRole('status').getByText('live')).toBeVisible();

  await page.getByRole('link', { name: 'Log', exact: true }).click();
  await page.getByRole('button', { name: 'Replace the sign-in link' }).click();
  await page.getByRole('button', { name: 'Replace it' }).click();
  const link = await page.getByLabel('The new link, shown only now').inputValue();
  await expect(page.getByRole('table', { name: 'Entries' }).locator('tbody tr').first()).toContainText(
    'sign-in link replaced',
  );
  await expect(other.page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await other.page.goto(serving.adminUrl);
  await expect(other.page.getByRole('heading', { name: 'This link has expired' })).toBeVisible();
  await other.page.goto(link);
  await expect(other.page.getByRole('heading', { name: 'Runs' })).toBeVisible();
  // Chromium notes the refused address itself
  expect(other.problems.splice(0)).toEqual([expect.stringContaining('401 (Unauthorized)')]);
  // Whoever replaced it is still signed in
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Log of admin acts' })).toBeVisible();
  await expect(page.getByRole('status').getByText('live')).toBeVisible();
});
