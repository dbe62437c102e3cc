import { join } from 'node:path';
import type { DecodedUpdate, RunConfigInput } from '@chorale/protocol';
import { bindingOf, decodeUpdate } from '@chorale/protocol';
import { openSqliteStore } from '@chorale/store';
import { fetchDetail } from '../support/adminApi.ts';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import type { Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';
import { contribute, statusOf } from '../support/tab.ts';

const ONE_TAB: RunConfigInput = {
  ...SMALL_RUN,
  rounds: { count: 2, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 60 },
};

/** The stored updates of a run that is over, from the server's database; the server is gone afterwards. */
async function storedUpdates({ server, contributeUrl }: Serving): Promise<DecodedUpdate[]> {
  const { run, rounds } = await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
  await server.kill();
  const store = openSqliteStore(join(server.dataDir, 'chorale.sqlite'));
  const { planHash, plan } = run;
  const binding = bindingOf({ plan, planHash });
  const updates = rounds
    .slice(1)
    .flatMap(({ round }) =>
      [...store.eachUpdate(run.runId, round)].map(({ bytes }) => decodeUpdate(bytes, binding)),
    );
  store.close();
  return updates;
}

function rootMeanSquare(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** Five standard errors of the standard deviation of so many draws. */
const tolerance = (count: number) => 5 / Math.sqrt(2 * count);

test('unit contributor: said honestly, noised once a round with twice the clipping norm', async ({
  serve,
  newTab,
}) => {
  const served = await serve({
    ...ONE_TAB,
    training: { ...ONE_TAB.training, localSteps: 3, clippingNorm: 0.1, clipping: 'automatic' },
    privacy: { unit: 'contributor', noiseMultiplier: 5, targetDelta: 1e-5 },
  });
  const tab = await newTab();
  await contribute(tab, served.tabUrl, csvRows(16));
  await expect(tab.page.getByText('How well all you contribute is protected')).toBeVisible();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped', { timeout: 120_000 });
  const detail = await fetchDetail(served);
  // Two Gaussian mechanisms, mu = sqrt(2)/5: epsilon at delta 1e-5 by the analytic Gaussian mechanism
  expect(detail.plannedEpsilon).toBe(1.061);
  expect(detail.contributors[0]).toMatchObject({ chargedRounds: 2, spentEpsilon: 1.061 });
  const updates = await storedUpdates(served);
  expect(updates).toHaveLength(2);
  for (const { values } of updates) {
    // The change itself is at most 0.1 long, over all values
    expect(Math.abs(rootMeanSquare(values) - 1)).toBeLessThan(tolerance(values.length));
  }
});

test('discrete noise in every local step, and noisy counts of own rows beside it', async ({
  serve,
  newTab,
}) => {
  const rowCount = 40;
  const served = await serve({
    ...ONE_TAB,
    training: { ...ONE_TAB.training, localSteps: 4, learningRate: 0.01, clippingNorm: 0.5 },
    privacy: { unit: 'example', noiseMultiplier: 8, targetDelta: 1e-5, noise: 'discrete-gaussian' },
    localMetrics: { noiseMultiplier: 2 },
  });
  const tab = await newTab();
  await contribute(tab, served.tabUrl, csvRows(rowCount));
  await expect(tab.page.getByText('Two counts a round')).toBeVisible();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped', { timeout: 120_000 });
  const detail = await fetchDetail(served);
  // The counts are paid for: two releases with noise 2 alone cost 2.9
  expect(detail.contributors[0]!.spentEpsilon).toBeGreaterThan(2.9);
  for (const { localMetrics } of detail.rounds.slice(1)) {
    const { correct, rows, noiseStdDev } = localMetrics!;
    expect(noiseStdDev).toBeCloseTo(2 * Math.SQRT2, 10);
    expect(Math.abs(rows - rowCount)).toBeLessThan(7 * noiseStdDev);
    expect(correct).toBeGreaterThan(-7 * noiseStdDev);
    expect(correct).toBeLessThan(rowCount + 7 * noiseStdDev);
  }
  const updates = await storedUpdates(served);
  expect(updates).toHaveLength(2);
  const stepStdDev = (0.01 * 8 * 0.5) / 4; // learningRate · noise / expectedBatchSize
  for (const { values, localCounts } of updates) {
    const expected = stepStdDev * Math.sqrt(4);
    expect(Math.abs(rootMeanSquare(values) / expected - 1)).toBeLessThan(tolerance(values.length));
    expect(localCounts).not.toBeNull();
  }
});

test('a run without protection says so wherever an epsilon would stand', async ({ serve, newTab }) => {
  const served = await serve({ ...ONE_TAB, privacy: { unit: 'none' } });
  const tab = await newTab();
  await contribute(tab, served.tabUrl, csvRows(16));
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped', { timeout: 120_000 });
  await expect(tab.page.getByText('This run protects nothing.').first()).toBeVisible();
  await expect(tab.page.getByRole('cell', { name: 'no protection' })).toHaveCount(2);
  await expect(tab.page.getByText('There is no epsilon to spend')).toBeVisible();
  const admin = await newTab();
  await admin.page.goto(served.adminUrl);
  await expect(admin.page.getByText(/no privacy/i).first()).toBeVisible();
});
