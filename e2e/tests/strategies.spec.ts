import { join } from 'node:path';
import type { RunConfigInput, TrainedRange } from '@chorale/protocol';
import { bindingOf, decodeUpdate, trainedRangeOf } from '@chorale/protocol';
import { openSqliteStore } from '@chorale/store';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { contribute, statusOf } from '../support/tab.ts';
import type { Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';

/** Of every update: see packages/protocol/src/codec/header.ts. */
const HEADER_BYTES = 88;

/** Two tabs; the small run of the other tests, with another strategy. */
function runOf(strategy: 'lora' | 'rolora', roundCount: number): RunConfigInput {
  return {
    ...SMALL_RUN,
    adapter: { ...SMALL_RUN.adapter, strategy },
    rounds: { count: roundCount, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 120 },
  };
}

/** What one round of a finished run sent, and which stretch of the adapter it changed. */
type RoundFacts = { range: TrainedRange; updateBytes: number[]; changed: TrainedRange };

/** From the server's own database; the server is gone afterwards. */
async function roundsOf({ server, contributeUrl }: Serving) {
  const { run, rounds } = await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
  await server.kill();
  const store = openSqliteStore(join(server.dataDir, 'chorale.sqlite'));
  const facts = rounds.slice(1).map(({ round, uplinkBytes }): RoundFacts => {
    const range = trainedRangeOf(run.plan, round);
    const stored = [...store.eachUpdate(run.runId, round)];
    const updates = stored.map(({ bytes }) => decodeUpdate(bytes, bindingOf(run)));
    const before = store.getAdapter(run.runId, round - 1)!.parameters;
    const after = store.getAdapter(run.runId, round)!.parameters;
    const changes = after.map((value, i) => value - before[i]!);
    const moved = [...changes.keys()].filter((i) => changes[i] !== 0);
    for (const i of moved) {
      const mean = updates.reduce((sum, { values }) => sum + values[i - range.start]!, 0) / updates.length;
      expect(Math.abs(changes[i]! - mean)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(after[i]!)));
    }
    for (const { bytes } of stored) expect(bytes).toHaveLength(uplinkBytes);
    return {
      range,
      updateBytes: stored.map(({ bytes }) => bytes.length),
      changed: { start: moved[0]!, end: moved.at(-1)! + 1 },
    };
  });
  store.close();
  return { plan: run.plan, facts };
}

// tiny-encoder: two layers, query and value of 128 × 128 each, rank 2; the head has 128 × 2 weights and 2 biases
const FACTOR = 2 * 2 * 128 * 2;
const HEAD = 128 * 2 + 2;

test('rolora: real tabs train B and A in turns, and each round sends only what it trains', async ({
  serve,
  newTab,
}) => {
  const served = await serve(runOf('rolora', 4));
  const tabs = [await newTab(), await newTab()];
  for (const tab of tabs) await contribute(tab, served.tabUrl, csvRows(16));
  for (const tab of tabs) {
    await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped', { timeout: 180_000 });
    expect(tab.problems).toEqual([]);
  }
  const { plan, facts } = await roundsOf(served);
  expect(plan.parameterCount).toBe(2 * FACTOR + HEAD);
  const b = { start: 0, end: FACTOR + HEAD };
  const a = { start: FACTOR, end: 2 * FACTOR + HEAD };
  const bytes = Array(2).fill(HEADER_BYTES + 4 * (FACTOR + HEAD));
  expect(facts).toEqual([b, a, b, a].map((range) => ({ range, updateBytes: bytes, changed: range })));
});

test('lora: A and B are trained and sent in every round', async ({ serve, newTab }) => {
  const served = await serve(runOf('lora', 2));
  const tabs = [await newTab(), await newTab()];
  for (const tab of tabs) await contribute(tab, served.tabUrl, csvRows(16));
  for (const tab of tabs) {
    await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped', { timeout: 120_000 });
  }
  const { facts } = await roundsOf(served);
  const all = { start: 0, end: 2 * FACTOR + HEAD };
  const bytes = Array(2).fill(HEADER_BYTES + 4 * (2 * FACTOR + HEAD));
  expect(facts).toEqual([all, all].map((range) => ({ range, updateBytes: bytes, changed: range })));
});
