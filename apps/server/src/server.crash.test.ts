import { expect, it } from 'vitest';
import type { RunConfigInput } from '@chorale/protocol';
import type { CrashRunResult, KillPoint } from './testing/crashRun.ts';
import { runWithCrashes } from './testing/crashRun.ts';

/*
 * `kill -9` of a real server at seeded points over whole runs. Whatever was acknowledged is in, nothing twice, and every
 * adapter is, bit by bit, that of a run whose server was never killed.
 */
const SEED = Number(process.env['CHORALE_CRASH_SEED'] ?? 20_261_122);
const COHORT = 3;

/** mulberry32: small, seeded, and good enough to choose moments. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** So many kill points, of all kinds in turn. */
function killPoints(count: number, seed: number): KillPoint[] {
  const random = seeded(seed);
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  const kinds: (() => KillPoint)[] = [
    // Just after an update was written to the socket: before, in and after its transaction
    () => ({ at: 'sent', count: 1 + upTo(2 * COHORT), delayMs: upTo(3) }),
    // Just after the acknowledgement, at once
    () => ({ at: 'acknowledged', count: 1 + upTo(2 * COHORT), delayMs: 0 }),
    // The round closes with the last acknowledgement; its aggregate is made and stored
    () => ({ at: 'acknowledged', count: COHORT, delayMs: upTo(4) }),
    // While the new adapter is measured
    () => ({ at: 'round-ended', count: 1 + upTo(COHORT), delayMs: upTo(20) }),
    () => ({ at: 'round-started', count: 1 + upTo(COHORT), delayMs: upTo(10) }),
    // At any time, the start of the process included
    () => ({ at: 'spawn', count: 1, delayMs: upTo(1_500) }),
  ];
  return Array.from({ length: count }, (_, i) => kinds[i % kinds.length]!());
}

type Aggregation = RunConfigInput['aggregation'];
type Case = { name: string; aggregation: Aggregation; rounds: number; parameterCount: number; kills: number };

const CASES: Case[] = [
  // And a larger one, whose writes take long enough to be torn
  ...Array.from({ length: 5 }, (_, k): Case => ({
    name: `mean ${k}`,
    aggregation: { rule: 'mean' },
    rounds: 30,
    parameterCount: 500,
    kills: 28,
  })),
  { name: 'mean, 1.2 MB', aggregation: { rule: 'mean' }, rounds: 20, parameterCount: 300_000, kills: 18 },
  {
    name: 'momentum',
    aggregation: { serverOptimizer: { name: 'momentum' } },
    rounds: 18,
    parameterCount: 500,
    kills: 16,
  },
  {
    name: 'adam',
    aggregation: { serverOptimizer: { name: 'adam' } },
    rounds: 18,
    parameterCount: 500,
    kills: 16,
  },
  {
    name: 'trimmed mean',
    aggregation: { rule: 'trimmed-mean', trimFraction: 0.34 },
    rounds: 18,
    parameterCount: 500,
    kills: 16,
  },
];

function run(
  { aggregation, rounds, parameterCount }: Case,
  kills: readonly KillPoint[],
): Promise<CrashRunResult> {
  return runWithCrashes({
    config: {
      aggregation,
      rounds: { count: rounds, cohortSize: COHORT, minimumUpdates: COHORT, deadlineSeconds: 600 },
    },
    parameterCount,
    kills,
  });
}

/** By what makes them the same. */
const undisturbedRuns = new Map<string, Promise<CrashRunResult>>();

function withoutCrashes(one: Case): Promise<CrashRunResult> {
  const key = JSON.stringify([one.aggregation, one.rounds, one.parameterCount]);
  const known = undisturbedRuns.get(key) ?? run(one, []);
  undisturbedRuns.set(key, known);
  return known;
}

function expectWhole(result: CrashRunResult, rounds: number): void {
  expect(result.refusals).toEqual([]);
  expect(result.lost).toEqual([]);
  expect(result.stored).toEqual([0, ...Array<number>(rounds).fill(COHORT)]);
  expect(result.records.map(({ received }) => received)).toEqual(result.stored);
  expect(result.records.map(({ adapterVersion }) => adapterVersion)).toEqual(result.records.map((_, i) => i));
}

it('has at least 200 kill points', () => {
  expect(CASES.reduce((sum, { kills }) => sum + kills, 0)).toBeGreaterThanOrEqual(200);
});

it.concurrent.each(CASES.map((one, index) => [one.name, one, index] as const))(
  'loses nothing and takes nothing twice when it is killed: %s',
  { timeout: 600_000 },
  async (name, one, index) => {
    const seed = SEED + index;
    const crashed = await run(one, killPoints(one.kills, seed));
    const undisturbed = await withoutCrashes(one);
    console.log(
      `${name}: seed ${seed}, killed ${JSON.stringify(crashed.killed)}, ${crashed.acknowledged} acknowledged, ${crashed.duplicates} duplicates, ${crashed.late} late`,
    );
    expectWhole(undisturbed, one.rounds);
    expect(undisturbed.late).toBe(0);
    expectWhole(crashed, one.rounds);
    expect(crashed.adapters).toEqual(undisturbed.adapters);
    expect(crashed.records).toEqual(undisturbed.records);
    const kills = Object.values(crashed.killed).reduce((sum, count) => sum + count, 0);
    expect(kills).toBeGreaterThanOrEqual(0.8 * one.kills);
  },
);
