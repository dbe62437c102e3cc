import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { bindingOf, decodeUpdate } from '@chorale/protocol';
import { openSqliteStore } from '@chorale/store';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { ServerUnderTest } from '../support/server.ts';
import { contribute, openTab, statusOf } from '../support/tab.ts';

test('three tabs train three rounds on WebGPU, and the aggregate is the mean of their updates', async ({
  browser,
}) => {
  const server = await ServerUnderTest.create(SMALL_RUN, csvRows(12));
  try {
    const { contributeUrl } = await server.start();
    const url = new URL('?backend=webgpu', contributeUrl).href;
    const tabs = await Promise.all([1, 2, 3].map(() => openTab(browser)));
    await tabs[0]!.page.goto(url);
    const adapter = await tabs[0]!.page.evaluate(async () => {
      const found = await navigator.gpu?.requestAdapter();
      return found ? `${found.info.vendor} ${found.info.architecture}` : null;
    });
    expect(adapter, 'this Chromium offers no WebGPU adapter').not.toBeNull();
    test.info().annotations.push({ type: 'webgpu adapter', description: adapter! });

    for (const [i, tab] of tabs.entries()) await contribute(tab, url, csvRows(16 + 2 * i));
    const { run, rounds } = await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
    for (const tab of tabs) {
      await expect(tab.page.locator('[data-backend]')).toHaveAttribute('data-backend', 'webgpu');
      await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
      expect(tab.problems).toEqual([]);
    }
    expect(rounds.map(({ round, received }) => [round, received])).toEqual([
      [0, 0],
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    expect(rounds.every(({ testAccuracy }) => testAccuracy !== null)).toBe(true);
    expect(rounds[3]!.spentEpsilon).toBeGreaterThan(rounds[1]!.spentEpsilon!);

    // The server's own database, read after it is gone
    await server.kill();
    const store = openSqliteStore(join(server.dataDir, 'chorale.sqlite'));
    const { planHash, plan } = run;
    const binding = bindingOf({ plan, planHash });
    for (let round = 1; round <= 3; round++) {
      const updates = [...store.eachUpdate(run.runId, round)].map(({ bytes }) =>
        decodeUpdate(bytes, binding),
      );
      expect(updates.map((update) => update.round)).toEqual([round, round, round]);
      const before = store.getAdapter(run.runId, round - 1)!.parameters;
      const after = store.getAdapter(run.runId, round)!.parameters;
      expect(after).toHaveLength(plan.parameterCount);
      for (let i = 0; i < after.length; i++) {
        const mean = updates.reduce((sum, { values }) => sum + values[i]!, 0) / 3;
        expect(Math.abs(after[i]! - before[i]! - mean)).toBeLessThanOrEqual(
          1e-6 * Math.max(1, Math.abs(after[i]!)),
        );
      }
      // Real noise: no two tabs sent the same, and nobody sent nothing
      const norms = updates.map(({ values }) => Math.hypot(...values));
      expect(new Set(norms).size).toBe(3);
      expect(Math.min(...norms)).toBeGreaterThan(0);
    }
    store.close();
  } finally {
    await server.dispose();
  }
});
