import { livelinessWhile } from '../support/liveliness.ts';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { contribute, statusOf } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

/**
 * What one backend gets to do in every step, and which part of a step the page may stand still: were it to train itself,
 * it would for a whole one on wasm, and on webgpu whenever the device is kept busy for long at a stretch.
 */
const WORK = {
  wasm: { rows: 800, localSteps: 3, standstill: 1 / 2 },
  webgpu: { rows: 40, localSteps: 2, standstill: 1 / 8 },
} as const;

for (const [backend, { rows, localSteps, standstill }] of Object.entries(WORK)) {
  test(`while a tab trains on ${backend}, its page moves and answers`, async ({ serve, newTab }) => {
    const serving = await serve({
      ...SMALL_RUN,
      // Every row in every step
      training: { ...SMALL_RUN.training, localSteps, samplingRate: 1, expectedBatchSize: rows },
      rounds: { count: 1, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 3600 },
    });
    test.slow(); // much work, on whatever else the machine does
    const tab = await newTab();
    tab.page.setDefaultTimeout(180_000);
    const url = new URL(`?backend=${backend}`, serving.contributeUrl).href;
    const joined = contribute(tab, url, csvRows(rows));
    await tab.page.locator('[data-status="not-joined"]').waitFor({ timeout: 120_000 });
    const { stretch, longestFrameGap, longestMessageGap } = await livelinessWhile(tab.page, 'training');
    await joined;
    const step = stretch / localSteps;
    test.info().annotations.push({
      type: `standstill on ${backend}`,
      description: `frames ${longestFrameGap} ms, messages ${longestMessageGap} ms, a step takes ${step} ms`,
    });
    expect(longestFrameGap).toBeLessThan(standstill * step);
    expect(longestMessageGap).toBeLessThan(standstill * step);
    await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
    await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  });
}
