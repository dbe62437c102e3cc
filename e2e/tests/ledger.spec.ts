import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RunConfigInput, RunPlan } from '@chorale/protocol';
import { hashPlan } from '@chorale/protocol';
import { act, fetchDetail } from '../support/adminApi.ts';
import { HeldUpdates } from '../support/heldUpdates.ts';
import { browserLedger, expectOneAccount, serverCharges, shaOf, storedUpdates } from '../support/ledgers.ts';
import { SMALL_RUN, csvRows, fetchRun, untilRun } from '../support/runs.ts';
import type { Tab } from '../support/tab.ts';
import { chooseRows, contribute, openTabIn, statusOf } from '../support/tab.ts';
import type { Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';

/*
 * Nothing that happens to a tab, to its browser's storage or to the server lets a round be computed twice, or what was
 * spent be forgotten. After each of these, three accounts must agree: the page's, the browser's and the server's.
 */

/** Rounds that take a tab several seconds, so that something can happen in the middle of one. */
const LONG_TRAINING = { ...SMALL_RUN.training, localSteps: 40, samplingRate: 0.4, expectedBatchSize: 24 };

function alone(count: number, deadlineSeconds = 120): RunConfigInput['rounds'] {
  return { count, cohortSize: 1, minimumUpdates: 1, deadlineSeconds };
}

/** Lets the round that is open finish, and no other begin. */
async function pauseAfterRound(serving: Serving, round: number): Promise<void> {
  await untilRun(serving.contributeUrl, ({ state }) => state.round === round && state.status === 'training');
  await act(serving, 'pause');
  await untilRun(
    serving.contributeUrl,
    ({ state }) => state.adapterVersion === round && state.status === 'paused',
  );
}

/** The same server on the same address; each start has another admin token. */
async function restart(serving: Serving): Promise<void> {
  Object.assign(serving, await serving.server.start());
}

/** Chromium notes each connection that fails while the server is away; nothing else may have gone wrong. */
function forgiveLostConnections(tab: Tab): void {
  expect(tab.problems.filter((problem) => !/ERR_CONNECTION|WebSocket/.test(problem))).toEqual([]);
  tab.problems.length = 0;
}

test('deleting a row, loading the page anew, in the middle of a round or between two, resets nothing', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(3) });
  const tab = await newTab();
  const rows = csvRows(60);
  await contribute(tab, serving.tabUrl, rows);
  await pauseAfterRound(serving, 1);
  const one = await expectOneAccount(tab, serving, [1]);

  // One row less, between two rounds
  const fewer = rows.split('\n').toSpliced(5, 1).join('\n');
  await contribute(tab, serving.tabUrl, fewer);
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');
  expect(await expectOneAccount(tab, serving, [1])).toBe(one);

  // And in the middle of one: what was not released costs nothing, and is computed once in the end
  await act(serving, 'resume');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'training');
  await contribute(tab, serving.tabUrl, csvRows(40));
  await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  const all = await expectOneAccount(tab, serving, [1, 2, 3]);
  expect(all).toBe((await fetchDetail(serving)).plannedEpsilon);
  expect(all).toBeGreaterThan(one);
});

test('another tab of the same browser spends from the same ledger, and only when the first one is gone', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(2) });
  const first = await newTab();
  await contribute(first, serving.tabUrl, csvRows(60));
  await pauseAfterRound(serving, 1);
  const second = await openTabIn(first.page.context());
  await contribute(second, serving.tabUrl, csvRows(20));
  await expect(statusOf(second)).toHaveAttribute('data-status', 'stopped');
  await expectOneAccount(first, serving, [1]);
  expect(await browserLedger(second.page, serving.runId)).toHaveLength(1);

  await first.page.close();
  await contribute(second, serving.tabUrl, csvRows(20));
  await expect(statusOf(second)).toHaveAttribute('data-status', 'waiting');
  await expectOneAccount(second, serving, [1]);
  await act(serving, 'resume');
  await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  await expectOneAccount(second, serving, [1, 2]);
  expect(second.problems).toEqual([]);
});

test('when the answer to an update is lost with its server, the same bytes are offered again, need not be sent, and cost once', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(2) });
  const { server, runId } = serving;
  const tab = await newTab();
  const held = await HeldUpdates.on(tab.page);
  await contribute(tab, serving.tabUrl, csvRows(20));
  await expect.poll(() => held.updates.length, { timeout: 60_000 }).toBe(1);
  await act(serving, 'pause'); // the second round would only add to what is looked at
  held.loseAnswers();
  held.deliver();
  await expect.poll(() => storedUpdates(server, runId, 1)).toHaveLength(1);
  expect(await browserLedger(tab.page, runId)).toEqual([
    { round: 1, outcome: 'pending', payload: shaOf(held.updates[0]!) },
  ]);

  await server.kill();
  held.loseAnswers(false);
  const offersBefore = held.offers.length;
  await restart(serving);
  await expect.poll(() => held.offers.length).toBeGreaterThan(offersBefore);
  await expect
    .poll(() => browserLedger(tab.page, runId))
    .toEqual([{ round: 1, outcome: 'accepted', payload: null }]);
  expect(new Set([...held.offers, ...held.updates.map(shaOf)])).toEqual(
    new Set(storedUpdates(server, runId, 1)),
  );
  expect(held.updates).toHaveLength(1);
  await expectOneAccount(tab, serving, [1]);
  forgiveLostConnections(tab);
});

test('a server that loses an update and asks for its round again gets the same bytes, or nothing', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(2, 20) });
  const { server, runId, contributeUrl } = serving;
  const tab = await newTab();
  const held = await HeldUpdates.on(tab.page);
  await contribute(tab, serving.tabUrl, csvRows(20));
  await expect.poll(() => held.updates.length, { timeout: 60_000 }).toBe(1);
  await act(serving, 'pause');
  await server.kill();
  server.backUp(); // round 1 is open, and nothing of it is stored
  expect(serverCharges(server, runId)).toEqual([[]]);

  // It arrives, is stored and acknowledged, and then the server loses it
  held.lose();
  await restart(serving);
  await expect.poll(() => storedUpdates(server, runId, 1)).toHaveLength(1);
  const [stored] = storedUpdates(server, runId, 1);
  await expect
    .poll(() => browserLedger(tab.page, runId))
    .toEqual([{ round: 1, outcome: 'accepted', payload: null }]);
  const spent = await expectOneAccount(tab, serving, [1]);
  const before = held.updates.length;
  expect(new Set(held.updates.map(shaOf))).toEqual(new Set([stored]));

  await server.kill();
  server.restoreBackup();
  await restart(serving);
  expect((await fetchRun(contributeUrl)).state).toMatchObject({ round: 1, adapterVersion: 0, received: 0 });
  // The tab is back and is asked, for its first attempt and then for the next
  await expect.poll(() => serverCharges(server, runId)).toEqual([[1]]);
  await untilRun(contributeUrl, ({ state }) => state.status === 'paused' && state.cohort === 0, 60_000);
  await act(serving, 'resume');
  await untilRun(contributeUrl, ({ state }) => state.status === 'training');
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  expect(held.updates).toHaveLength(before); // acknowledged once, and never sent again
  expect(await expectOneAccount(tab, serving, [1])).toBe(spent);
  expect(storedUpdates(server, runId, 1)).toEqual([]);
  forgiveLostConnections(tab);
});

test('a server that loses an update before its answer arrived gets the same bytes', async ({
  serve,
  newTab,
}) => {
  // Two rounds: with one the run could be over, and the tab with it, before the server is killed
  const serving = await serve({ ...SMALL_RUN, rounds: alone(2, 60) });
  const { server, runId } = serving;
  const tab = await newTab();
  const held = await HeldUpdates.on(tab.page);
  await contribute(tab, serving.tabUrl, csvRows(20));
  await expect.poll(() => held.updates.length, { timeout: 60_000 }).toBe(1);
  await act(serving, 'pause');
  await server.kill();
  server.backUp();
  held.lose();
  held.loseAnswers();
  await restart(serving);
  await expect.poll(() => storedUpdates(server, runId, 1)).toHaveLength(1);
  const [stored] = storedUpdates(server, runId, 1);

  await server.kill();
  server.restoreBackup();
  held.loseAnswers(false);
  await restart(serving);
  await expect
    .poll(() => browserLedger(tab.page, runId))
    .toEqual([{ round: 1, outcome: 'accepted', payload: null }]);
  expect(storedUpdates(server, runId, 1)).toEqual([stored]);
  expect(held.updates.length).toBeGreaterThanOrEqual(3);
  expect(new Set(held.updates.map(shaOf))).toEqual(new Set([stored]));
  await expectOneAccount(tab, serving, [1]);
  forgiveLostConnections(tab);
});

test('cleared storage: she is the same contributor, and the server gives the ledger back', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(3) });
  const { contributeUrl, runId, server } = serving;
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, csvRows(60));
  await pauseAfterRound(serving, 1);
  const spent = await expectOneAccount(tab, serving, [1]);

  const devTools = await tab.page.context().newCDPSession(tab.page);
  await tab.page.goto('about:blank');
  await devTools.send('Storage.clearDataForOrigin', {
    origin: new URL(contributeUrl).origin,
    storageTypes: 'indexeddb,local_storage,cache_storage',
  });
  await contribute(tab, serving.tabUrl, csvRows(60));
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');
  expect(await browserLedger(tab.page, runId)).toEqual([{ round: 1, outcome: 'restored', payload: null }]);
  expect(await expectOneAccount(tab, serving, [1])).toBe(spent);

  await act(serving, 'resume');
  await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
  const all = await expectOneAccount(tab, serving, [1, 2, 3]);
  expect(all).toBe((await fetchDetail(serving)).plannedEpsilon);
  expect(storedUpdates(server, runId, 1)).toHaveLength(1);
});

test('cleared storage and a server that cannot say who she is: she waits, and is not taken for new', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(2) });
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, csvRows(60));
  await pauseAfterRound(serving, 1);
  const spent = await expectOneAccount(tab, serving, [1]);
  const devTools = await tab.page.context().newCDPSession(tab.page);
  await tab.page.goto('about:blank');
  await devTools.send('Storage.clearDataForOrigin', {
    origin: new URL(serving.contributeUrl).origin,
    storageTypes: 'indexeddb,local_storage,cache_storage',
  });
  let asked = 0;
  await tab.page.route('**/api/runs/*/identity', async (route) => {
    if (route.request().method() === 'GET') asked += 1;
    if (asked === 1) await route.fulfill({ status: 503, body: 'not now' });
    else await route.continue();
  });
  await contribute(tab, serving.tabUrl, csvRows(60));
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');
  expect(asked).toBe(2);
  expect(await browserLedger(tab.page, serving.runId)).toEqual([
    { round: 1, outcome: 'restored', payload: null },
  ]);
  expect(await expectOneAccount(tab, serving, [1])).toBe(spent);
  expect(tab.problems.filter((problem) => !problem.includes('503'))).toEqual([]);
  tab.problems.length = 0;
});

test('with the cookie gone too nobody can know her: she counts as new, as the page says', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(2) });
  const { contributeUrl, runId, server } = serving;
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, csvRows(60));
  await pauseAfterRound(serving, 1);
  const devTools = await tab.page.context().newCDPSession(tab.page);
  await tab.page.goto('about:blank');
  await devTools.send('Storage.clearDataForOrigin', {
    origin: new URL(contributeUrl).origin,
    storageTypes: 'all',
  });
  await tab.page.context().clearCookies();
  await contribute(tab, serving.tabUrl, csvRows(60));
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'waiting');
  expect(serverCharges(server, runId)).toEqual([[1], []]);
});

test('a ledger that was changed to what cannot be read fails closed', async ({ serve, newTab }) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(2) });
  const tab = await newTab();
  await contribute(tab, serving.tabUrl, csvRows(60));
  await pauseAfterRound(serving, 1);
  await tab.page.evaluate(async (runId) => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open('chorale');
      request.addEventListener('success', () => resolve(request.result));
    });
    const transaction = database.transaction('ledger', 'readwrite');
    const event = { type: 'self-composed', event: { type: 'free' }, count: 1 };
    transaction
      .objectStore('ledger')
      .put({ round: 1, event, payload: null, outcome: 'accepted' }, [runId, 1]);
    await new Promise((resolve) => transaction.addEventListener('complete', resolve));
    database.close();
  }, serving.runId);
  await contribute(tab, serving.tabUrl, csvRows(60));
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(tab.page.getByText('What was spent in this run cannot be told')).toBeVisible();
  expect(serverCharges(serving.server, serving.runId)).toEqual([[1]]);
});

test('a plan that changes in the middle of the run is refused, by the open tab and after a reload', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, training: LONG_TRAINING, rounds: alone(3) });
  const { server, runId } = serving;
  const tab = await newTab();
  await contribute(tab, `${serving.tabUrl}&run=${runId}`, csvRows(60));
  await pauseAfterRound(serving, 1);
  await expectOneAccount(tab, serving, [1]);
  await server.kill();
  await changePlan(server.dataDir, runId, (plan) => ({
    ...plan,
    noiseMultiplier: 0.5,
    config: { ...plan.config, privacy: { ...plan.config.privacy, noiseMultiplier: 0.5 } as never },
  }));
  await restart(serving);

  // The open tab keeps to the plan it agreed to
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(tab.page.getByText(/Expected plan .*reload the page and agree again/)).toBeVisible();
  forgiveLostConnections(tab);

  // So do the limits that the browser has kept
  const { page } = tab;
  const agree = page.getByRole('button', { name: 'I agree, start contributing' });
  await page.goto(`${serving.tabUrl}&run=${runId}`);
  await chooseRows(tab, csvRows(60));
  await page.getByLabel('I have read what leaves my device').check();
  await agree.click();
  await expect(page.getByText('at least 1, this run adds only 0.5')).toBeVisible();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'not-joined');

  // And were they lowered, the browser still knows which plan was agreed to
  await page.getByRole('button', { name: 'Back to what this run asks for' }).click();
  await agree.click();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect(tab.page.getByText(/not the one you agreed to: its plan has changed/)).toBeVisible();
  expect((await browserLedger(tab.page, runId)).map(({ round }) => round)).toEqual([1]);
  expect(serverCharges(server, runId)).toEqual([[1]]);
});

test('when her own limit is reached she trains no more, sees the run go on, and a reload changes nothing', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(4) });
  const { contributeUrl, runId } = serving;
  const reader = await newTab();
  const { page } = reader;
  await page.goto(serving.tabUrl);
  await chooseRows(reader, csvRows(20));
  await page.getByText('Set your own limits').click();
  await page.getByLabel('Most rounds').fill('1');
  await expect(page.getByText('They allow 1 of the 4 rounds.')).toBeVisible();
  await page.getByLabel('I have read what leaves my device').check();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();
  await expect(statusOf(reader)).toHaveAttribute('data-status', 'reading', { timeout: 60_000 });
  await expect(page.getByText('This device took part in the one round you allow')).toBeVisible();
  const spent = await expectOneAccount(reader, serving, [1]);
  expect((await fetchDetail(serving)).contributors).toMatchObject([
    { online: true, availability: 'limit-reached', rounds: 1 },
  ]);

  // Others go on, and she sees it
  const other = await newTab();
  await contribute(other, serving.tabUrl, csvRows(24));
  await untilRun(contributeUrl, ({ state }) => state.adapterVersion >= 2);
  await expect(statusOf(reader)).toHaveAttribute('data-status', 'reading');
  await expect(
    page.getByRole('img', { name: /^Test accuracy by round: .* after round [2-4]\.$/ }),
  ).toBeVisible();

  // She comes back with other rows, under the limits she set
  await contribute(reader, serving.tabUrl, csvRows(30));
  await expect(statusOf(reader)).toHaveAttribute('data-status', /reading|stopped/);
  await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
  expect((await browserLedger(page, runId)).map(({ round }) => round)).toEqual([1]);
  const { contributors } = await fetchDetail(serving);
  expect(contributors).toMatchObject([
    { rounds: 1, chargedRounds: 1, spentEpsilon: spent },
    { rounds: 3, chargedRounds: 3 },
  ]);
});

test('a limit of epsilon ends training before the round that would cross it, in this visit and the next', async ({
  serve,
  newTab,
}) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(3) });
  const { plannedEpsilon } = await fetchDetail(serving);
  const tab = await newTab();
  const { page } = tab;
  await page.goto(serving.tabUrl);
  await chooseRows(tab, csvRows(20));
  await page.getByText('Set your own limits').click();
  await page.getByLabel('Most epsilon in this run').fill(String(0.99 * plannedEpsilon!));
  await expect(page.getByText('They allow 2 of the 3 rounds.')).toBeVisible();
  await page.getByLabel('I have read what leaves my device').check();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'reading', { timeout: 60_000 });
  await expect(page.getByText('One more round would bring epsilon to')).toBeVisible();
  const spent = await expectOneAccount(tab, serving, [1, 2]);
  expect(spent).toBeLessThan(0.99 * plannedEpsilon!);

  await contribute(tab, serving.tabUrl, csvRows(30));
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'reading');
  expect(await expectOneAccount(tab, serving, [1, 2])).toBe(spent);
  expect((await fetchRun(serving.contributeUrl)).state.adapterVersion).toBe(2);
});

test('a plan with less noise than she allows is not joined', async ({ serve, newTab }) => {
  const serving = await serve({ ...SMALL_RUN, rounds: alone(1) });
  const { page } = await newTab();
  await page.goto(serving.tabUrl);
  await chooseRows({ page, problems: [] }, csvRows(20));
  await page.getByText('Set your own limits').click();
  await page.getByLabel('Least noise multiplier').fill('1.2');
  await expect(
    page.getByText('You ask for a noise multiplier of at least 1.2, this run adds only 1.'),
  ).toBeVisible();
  await page.getByLabel('I have read what leaves my device').check();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();
  await expect(page.locator('[data-status]')).toHaveAttribute('data-status', 'not-joined');
  expect((await fetchDetail(serving)).contributors).toEqual([]);
});

/** What a dishonest operator would do between two starts of the server. */
async function changePlan(dataDir: string, runId: string, change: (plan: RunPlan) => RunPlan): Promise<void> {
  const database = new DatabaseSync(join(dataDir, 'chorale.sqlite'));
  const row = database.prepare('SELECT plan FROM runs WHERE id = ?').get(runId);
  const plan = change(JSON.parse(String(row!['plan'])) as RunPlan);
  database
    .prepare('UPDATE runs SET plan = ?, plan_hash = ? WHERE id = ?')
    .run(JSON.stringify(plan), await hashPlan(plan), runId);
  database.close();
}
