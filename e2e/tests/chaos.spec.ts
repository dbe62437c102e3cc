import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunConfigInput } from '@chorale/protocol';
import { bindingOf, decodeUpdate } from '@chorale/protocol';
import { openSqliteStore } from '@chorale/store';
import { AcknowledgedUpdates } from '../support/acknowledged.ts';
import { browserLedger, serverCharges, shaOf } from '../support/ledgers.ts';
import { Network, forgiveLostNetwork } from '../support/network.ts';
import { SMALL_RUN, csvRows, fetchRun, untilRun } from '../support/runs.ts';
import type { Tab } from '../support/tab.ts';
import { contribute, openTabIn, statusOf } from '../support/tab.ts';
import type { Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';

/** One kind of disturbance a round, each in its own round. */
const DISTURBANCES = [
  'network cut',
  'tab crash',
  'server killed in training',
  'server killed in evaluation',
  'lid of a tab closed for three hours',
  'wall clock of the server jumps ahead',
  'wall clock of the server jumps back',
] as const;
type Disturbance = (typeof DISTURBANCES)[number];

/** Rounds of three tabs that take them some seconds, and that wait for all three. */
const RUN: RunConfigInput = {
  ...SMALL_RUN,
  training: { ...SMALL_RUN.training, localSteps: 30, samplingRate: 0.4, expectedBatchSize: 24 },
  rounds: { count: DISTURBANCES.length, cohortSize: 3, minimumUpdates: 3, deadlineSeconds: 120 },
};
const ROWS = csvRows(60);
const HOURS = 3_600_000;

const CLOCK = new URL('../support/shiftedClock.ts', import.meta.url);

/** So many rows that an evaluation takes long enough to be interrupted. */
test.use({ testRows: csvRows(2_000) });

test('three tabs, a disturbance in every round: the run completes, nothing acknowledged is lost or counted twice', async ({
  serve,
  newTab,
}) => {
  test.setTimeout(900_000);
  const seed = Number(process.env['CHAOS_SEED'] ?? crypto.getRandomValues(new Uint32Array(1))[0]!);
  console.log(`chaos: seed ${seed}; CHAOS_SEED repeats its order`);
  test.info().annotations.push({ type: 'seed', description: String(seed) });
  const random = seededUniform(seed);
  const order = shuffled(DISTURBANCES, random);

  const clockFile = test.info().outputPath('clock');
  rmSync(clockFile, { force: true });
  const serving = await serve(RUN, {
    NODE_OPTIONS: `--import ${fileURLToPath(CLOCK)}`,
    WALL_CLOCK_FILE: clockFile,
  });
  const { server, contributeUrl, tabUrl } = serving;

  const acknowledged = new AcknowledgedUpdates();
  const tabs: Tab[] = [];
  const crashed: Tab[] = [];
  for (let i = 0; i < 3; i++) {
    const tab = await newTab();
    // The timers and the wall clock of its pages are the test's to move; those of workers are not
    await tab.page.clock.install();
    acknowledged.watch(tab.page);
    tabs.push(tab);
  }
  for (const tab of tabs) await contribute(tab, tabUrl, ROWS);

  const disturb: Record<Disturbance, (round: number) => Promise<void>> = {
    'network cut': async () => {
      const tab = tabs[Math.floor(random() * 3)]!;
      const network = await Network.of(tab.page);
      await network.cut();
      await expect(statusOf(tab)).toHaveAttribute('data-status', 'disconnected', { timeout: 60_000 });
      await pause(1_000 * random());
      await network.mend();
    },
    'tab crash': async () => {
      const at = Math.floor(random() * 3);
      const { page } = tabs[at]!;
      const crash = page.waitForEvent('crash');
      page.goto('chrome://crash').catch(() => undefined);
      await crash;
      await page.close();
      crashed.push(tabs[at]!);
      const again = await openTabIn(page.context());
      acknowledged.watch(again.page);
      tabs[at] = again;
      await contribute(again, tabUrl, ROWS);
    },
    'server killed in training': async () => {
      await server.kill();
      await pause(2_000 * random());
      await server.start();
    },
    'server killed in evaluation': async (round) => {
      const caught = await soonAfterUpdates(contributeUrl, round);
      await server.kill();
      test.info().annotations.push({ type: 'killed while', description: caught });
      await server.start();
    },
    'lid of a tab closed for three hours': async () => {
      await tabs[Math.floor(random() * 3)]!.page.clock.fastForward(3 * HOURS);
    },
    'wall clock of the server jumps ahead': async () => writeFileSync(clockFile, String(3 * HOURS)),
    'wall clock of the server jumps back': async () => writeFileSync(clockFile, String(-3 * HOURS)),
  };

  for (const [i, disturbance] of order.entries()) {
    const round = i + 1;
    await untilRun(contributeUrl, ({ state }) => state.round === round && state.status === 'training');
    await pause(3_000 * random());
    console.log(`chaos: round ${round}: ${disturbance}`);
    await disturb[disturbance](round);
  }

  const { rounds } = await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
  expect(rounds.map(({ round, received }) => [round, received])).toEqual(
    Array.from({ length: order.length + 1 }, (_, round) => [round, round === 0 ? 0 : 3]),
  );
  // A wrong clock ends no round: nobody waited for it, and nobody had to try again
  for (const [i, disturbance] of order.entries()) {
    if (disturbance.startsWith('wall clock')) expect(rounds[i + 1]).toMatchObject({ attempt: 1 });
  }
  for (const tab of tabs) {
    await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped', { timeout: 60_000 });
  }
  await expectSameLedgers(serving, tabs);
  await server.kill();
  await expectStored(serving, acknowledged);
  for (const tab of [...tabs, ...crashed]) forgiveLostNetwork(tab);
  for (const { problems } of tabs) expect(problems).toEqual([]);
});

/** Every acknowledged update is stored, once; nothing else is; and each adapter is the one before it plus their mean. */
async function expectStored({ server, runId }: Serving, { all }: AcknowledgedUpdates): Promise<void> {
  const store = openSqliteStore(join(server.dataDir, 'chorale.sqlite'));
  try {
    expect(store.listContributors(runId)).toHaveLength(3);
    const { plan, planHash } = store.getRun(runId)!.run;
    const binding = bindingOf({ plan, planHash });
    const keyOf = (one: { contributorId: string; sha256: string }, round: number) =>
      `round ${round}, ${one.contributorId}: ${one.sha256}`;
    const stored: string[] = [];
    for (let round = 1; round <= DISTURBANCES.length; round++) {
      const updates = [...store.eachUpdate(runId, round)];
      expect(new Set(updates.map(({ contributorId }) => contributorId)).size).toBe(3);
      stored.push(
        ...updates.map(({ contributorId, bytes }) => keyOf({ contributorId, sha256: shaOf(bytes) }, round)),
      );
      const values = updates.map(({ bytes }) => decodeUpdate(bytes, binding).values);
      const before = store.getAdapter(runId, round - 1)!.parameters;
      const after = store.getAdapter(runId, round)!.parameters;
      after.forEach((value, i) => {
        const mean = values.reduce((sum, one) => sum + one[i]!, 0) / values.length;
        expect(Math.abs(value - before[i]! - mean)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(value)));
      });
    }
    expect(stored).toHaveLength(3 * DISTURBANCES.length);
    const told = all.map((one) => keyOf(one, one.round));
    expect(stored.toSorted()).toEqual([...new Set(told)].toSorted());
  } finally {
    store.close();
  }
}

/** What each tab has charged itself is what the server has charged it. */
async function expectSameLedgers({ server, runId }: Serving, tabs: readonly Tab[]): Promise<void> {
  const charges = (rounds: readonly number[][]) => rounds.map((one) => one.toString()).toSorted();
  await expect
    .poll(async () => {
      const ledgers = await Promise.all(tabs.map(({ page }) => browserLedger(page, runId)));
      return charges(ledgers.map((entries) => entries.map(({ round }) => round)));
    })
    .toEqual(charges(serverCharges(server, runId)));
}

/** Looks without a pause until the last update of a round is in; returns where the run was then. */
async function soonAfterUpdates(contributeUrl: string, round: number): Promise<string> {
  const end = Date.now() + 120_000;
  while (Date.now() < end) {
    const { state } = await fetchRun(contributeUrl);
    if (state.status === 'aggregating' || state.status === 'evaluating') return state.status;
    if (state.round > round) return `${state.status} of round ${state.round}`;
  }
  throw new Error(`Round ${round} did not come to its end in two minutes.`);
}

/** Mulberry32: decides the order of the disturbances and nothing else. @returns uniform in [0, 1) */
function seededUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fisher and Yates. */
function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
