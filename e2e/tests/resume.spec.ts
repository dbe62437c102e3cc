import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import type { RunConfigInput } from '@chorale/protocol';
import { fetchDetail } from '../support/adminApi.ts';
import { HeldUpdates } from '../support/heldUpdates.ts';
import { Network, forgiveLostNetwork } from '../support/network.ts';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { contribute, openTabIn, statusOf } from '../support/tab.ts';
import type { Tab } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

/** Rounds of one tab that take it several seconds. */
const LONG_ALONE: RunConfigInput = {
  ...SMALL_RUN,
  training: { ...SMALL_RUN.training, localSteps: 40, samplingRate: 0.4, expectedBatchSize: 24 },
  rounds: { count: 2, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 120 },
};
const ROWS = csvRows(60);

const ownRounds = ({ page }: Tab) => page.getByRole('table', { name: 'Your rounds' });

test('the network goes while a round is computed: training goes on, and its update arrives once', async ({
  serve,
  newTab,
}) => {
  const serving = await serve(LONG_ALONE);
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, ROWS);
  const network = await Network.of(tab.page);
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'training', { timeout: 60_000 });
  await network.cut();
  await expect
    .poll(async () => (await fetchDetail(serving)).contributors[0]!.online, { timeout: 60_000 })
    .toBe(false);
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'disconnected', { timeout: 60_000 });
  await expect(tab.page.getByText(/Reconnecting by itself, (next try in \d+ s|trying now)/)).toBeVisible();
  await network.mend();
  const { rounds } = await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  expect(rounds.map(({ round, received, attempt }) => [round, received, attempt])).toEqual([
    [0, 0, 1],
    [1, 1, 1],
    [2, 1, 1],
  ]);
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(ownRounds(tab).getByRole('row', { name: 'accepted' })).toHaveCount(2);
  expect((await fetchDetail(serving)).contributors).toMatchObject([{ rounds: 2, chargedRounds: 2 }]);
  forgiveLostNetwork(tab);
});

test('the answer to an update is lost with the network as the run ends: the round is still accepted, once', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...LONG_ALONE, rounds: { ...LONG_ALONE.rounds, count: 1 } });
  const tab = await newTab();
  const held = await HeldUpdates.on(tab.page);
  held.loseAnswers();
  await contribute(tab, serving.tabUrl, ROWS);
  await expect.poll(() => held.updates.length, { timeout: 60_000 }).toBe(1);
  held.deliver();
  await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  await expect(statusOf(tab)).not.toHaveAttribute('data-status', 'stopped', { timeout: 1_000 });
  held.loseAnswers(false);
  const network = await Network.of(tab.page);
  await network.cut();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'disconnected');
  await network.mend();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(ownRounds(tab).getByRole('row', { name: 'accepted' })).toHaveCount(1);
  expect(new Set(held.updates.map((bytes) => bytes.toString('base64'))).size).toBe(1);
  expect((await fetchDetail(serving)).contributors).toMatchObject([{ rounds: 1, chargedRounds: 1 }]);
  forgiveLostNetwork(tab);
});

test('a tab that crashes while it sends and is opened again is the same contributor, and delivers what it owed', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...LONG_ALONE, rounds: { ...LONG_ALONE.rounds, count: 2 } });
  const crashing = await newTab();
  const context = crashing.page.context();
  const held = await HeldUpdates.on(crashing.page);
  await contribute(crashing, serving.tabUrl, ROWS);
  await expect.poll(() => held.updates.length, { timeout: 60_000 }).toBe(1);
  const [before] = (await fetchDetail(serving)).contributors;
  const crashed = crashing.page.waitForEvent('crash');
  crashing.page.goto('chrome://crash').catch(() => undefined);
  await crashed;

  const again = await openTabIn(context);
  const resent = await HeldUpdates.on(again.page);
  resent.lose();
  await contribute(again, serving.tabUrl, csvRows(40));
  const { rounds } = await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  expect(rounds[1]).toMatchObject({ round: 1, received: 1 });
  // Round 1 is what was computed before the crash, byte for byte
  expect(resent.updates[0]!.equals(held.updates[0]!)).toBe(true);
  const { contributors } = await fetchDetail(serving);
  expect(contributors).toMatchObject([{ contributorId: before!.contributorId, rounds: 2, chargedRounds: 2 }]);
  await expect(again.page.locator('[data-spent-epsilon]')).toHaveAttribute(
    'data-spent-epsilon',
    String(rounds[2]!.spentEpsilon),
  );
  expect(again.problems).toEqual([]);
});

/** A battery, a network and a page that a test can change from outside. */
async function fakeDevice(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const battery = Object.assign(new EventTarget(), { level: 0.14, charging: false });
    const network = Object.assign(new EventTarget(), { type: 'wifi', saveData: false });
    let visibility = 'visible';
    Object.defineProperty(Navigator.prototype, 'getBattery', { value: () => Promise.resolve(battery) });
    Object.defineProperty(Navigator.prototype, 'connection', { get: () => network });
    Object.defineProperty(Document.prototype, 'visibilityState', { get: () => visibility });
    Object.assign(globalThis, {
      charge(charging: boolean) {
        battery.charging = charging;
        battery.dispatchEvent(new Event('chargingchange'));
      },
      connect(type: string) {
        network.type = type;
        network.dispatchEvent(new Event('change'));
      },
      hide(hidden: boolean) {
        visibility = hidden ? 'hidden' : 'visible';
        document.dispatchEvent(new Event('visibilitychange'));
      },
    });
  });
}

test('battery, metered connection and hidden tab pause with the reason, and what is over goes on by itself', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({
    ...LONG_ALONE,
    rounds: { count: 1, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 120 },
  });
  const tab = await newTab();
  const { page } = tab;
  await fakeDevice(page);
  await contribute(tab, serving.tabUrl, ROWS);
  const availability = async () => (await fetchDetail(serving)).contributors[0]?.availability;
  const status = page.getByRole('status');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'paused');
  await expect(status.filter({ hasText: 'This device is on battery at 14 %' })).toBeVisible();
  await expect.poll(availability).toBe('paused');

  for (const viewport of [
    { width: 1280, height: 900 },
    { width: 360, height: 740 },
  ]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.evaluate(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished)));
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target)])).toEqual([]);
      const { SHOTS } = process.env;
      if (SHOTS !== undefined) {
        await page
          .locator('[data-status]')
          .screenshot({ path: `${SHOTS}/when-${viewport.width}-${colorScheme}.png` });
      }
    }
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(viewport.width);
  }

  await page.evaluate('charge(true)');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');
  await expect.poll(availability).toBe('available');

  await page.evaluate("connect('cellular')");
  await expect(status.filter({ hasText: 'This device is on a mobile network' })).toBeVisible();
  await expect.poll(availability).toBe('paused');
  await page.getByRole('button', { name: 'Go on anyway' }).click();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');

  const onlyVisible = page.getByRole('checkbox', { name: 'Contribute only while this tab is visible' });
  await page.evaluate('hide(true)');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');
  await page.evaluate('hide(false)');
  await onlyVisible.focus();
  await page.keyboard.press('Space');
  await page.evaluate('hide(true)');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'paused');
  await expect.poll(availability).toBe('paused');
  await page.evaluate('hide(false)');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');
  await expect.poll(availability).toBe('available');

  // The choice is kept for the next visit
  await contribute(tab, serving.tabUrl, ROWS);
  await expect(onlyVisible).toBeChecked();
});
