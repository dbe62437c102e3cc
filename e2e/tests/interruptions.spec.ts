import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { RunConfigInput } from '@chorale/protocol';
import { bindingOf, decodeUpdate } from '@chorale/protocol';
import { openSqliteStore } from '@chorale/store';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { ServerUnderTest } from '../support/server.ts';
import { contribute, openTab, statusOf } from '../support/tab.ts';

/** Rounds long enough to be interrupted in the middle. */
const LONG_ROUNDS: RunConfigInput = {
  ...SMALL_RUN,
  training: { ...SMALL_RUN.training, localSteps: 40, samplingRate: 0.4, expectedBatchSize: 24 },
  rounds: { count: 2, cohortSize: 3, minimumUpdates: 2, deadlineSeconds: 20 },
};

test('a tab closes in the middle of a round: the round still closes, and the run goes on', async ({
  browser,
}) => {
  const server = await ServerUnderTest.create(LONG_ROUNDS, csvRows(12));
  try {
    const { contributeUrl } = await server.start();
    const url = new URL('?backend=wasm', contributeUrl).href;
    const tabs = await Promise.all([1, 2, 3].map(() => openTab(browser)));
    for (const tab of tabs) await contribute(tab, url, csvRows(60));
    const leaver = tabs[2]!;
    await expect(statusOf(leaver)).toHaveAttribute('data-status', 'training', { timeout: 60_000 });
    await leaver.page.context().close();
    const { rounds } = await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
    expect(rounds[1]).toMatchObject({ round: 1, cohort: 3, received: 2 });
    expect(rounds[2]).toMatchObject({ round: 2, received: 2 });
    for (const tab of tabs.slice(0, 2)) expect(tab.problems).toEqual([]);
  } finally {
    await server.dispose();
  }
});

test('the server is killed in the middle of a run and comes back: the tabs reconnect and the run completes', async ({
  browser,
}) => {
  const server = await ServerUnderTest.create(
    { ...LONG_ROUNDS, rounds: { count: 3, cohortSize: 3, minimumUpdates: 3, deadlineSeconds: 60 } },
    csvRows(12),
  );
  try {
    const { contributeUrl, runId } = await server.start();
    const url = new URL('?backend=wasm', contributeUrl).href;
    const tabs = await Promise.all([1, 2, 3].map(() => openTab(browser)));
    for (const tab of tabs) await contribute(tab, url, csvRows(60));
    await untilRun(contributeUrl, ({ state }) => state.status === 'training' && state.round === 2);
    await server.kill();
    await expect(statusOf(tabs[0]!)).toHaveAttribute('data-status', 'disconnected');

    const again = await server.start();
    expect(again).toMatchObject({ contributeUrl, runId });
    const { run, rounds } = await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
    expect(rounds.map(({ round, received }) => [round, received])).toEqual([
      [0, 0],
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    for (const tab of tabs) await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');

    // The same three contributors throughout, one update each a round, and every aggregate still their mean
    await server.kill();
    const store = openSqliteStore(join(server.dataDir, 'chorale.sqlite'));
    expect(store.listContributors(runId)).toHaveLength(3);
    const { planHash, plan } = run;
    const binding = bindingOf({ plan, planHash });
    for (let round = 1; round <= 3; round++) {
      const updates = [...store.eachUpdate(runId, round)].map(
        ({ bytes }) => decodeUpdate(bytes, binding).values,
      );
      expect(updates).toHaveLength(3);
      const before = store.getAdapter(runId, round - 1)!.parameters;
      const after = store.getAdapter(runId, round)!.parameters;
      after.forEach((value, i) => {
        const mean = updates.reduce((sum, values) => sum + values[i]!, 0) / 3;
        expect(Math.abs(value - before[i]! - mean)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(value)));
      });
    }
    store.close();
  } finally {
    await server.dispose();
  }
});
