import { expect, it } from 'vitest';
import type { RunConfigInput } from '@chorale/protocol';
import type { CrashRunOptions, CrashRunResult, KillPoint } from './testing/crashRun.ts';
import { runWithCrashes } from './testing/crashRun.ts';
import type { RunOutcome } from './testing/crashSite.ts';

/*
 * `kill -9` of a real server at seeded points over whole runs. Whatever was acknowledged is in, nothing twice, and every
 * adapter is, bit by bit, that of a run whose server was never killed. Where chance decides who is in a round (deadlines,
 * over-selection) it is that of the updates that are stored.
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

type Case = {
  name: string;
  /** All runs of a case have the same. */
  config?: Partial<Omit<RunConfigInput, 'rounds'>>;
  rounds: number;
  cohort?: Partial<Omit<RunConfigInput['rounds'], 'count'>>;
  runs?: number;
  parameterCount?: number;
  kills: number;
  sitsOut?: CrashRunOptions['sitsOut'];
  /** `undisturbed`: with a run whose server was never killed; `stored`: with what the stored updates come to. */
  comparedWith: 'undisturbed' | 'stored';
};

const CASES: Case[] = [
  ...Array.from({ length: 3 }, (_, k): Case => ({
    name: `mean ${k}`,
    rounds: 34,
    kills: 30,
    comparedWith: 'undisturbed',
  })),
  // Larger ones, whose writes take long enough to be torn
  { name: 'mean, 1.2 MB', rounds: 20, parameterCount: 300_000, kills: 18, comparedWith: 'undisturbed' },
  {
    name: 'momentum',
    config: { aggregation: { serverOptimizer: { name: 'momentum' } } },
    rounds: 15,
    kills: 12,
    comparedWith: 'undisturbed',
  },
  {
    name: 'adam',
    config: { aggregation: { serverOptimizer: { name: 'adam' } } },
    rounds: 15,
    kills: 12,
    comparedWith: 'undisturbed',
  },
  {
    name: 'trimmed mean',
    config: { aggregation: { rule: 'trimmed-mean', trimFraction: 0.34 } },
    rounds: 15,
    kills: 12,
    comparedWith: 'undisturbed',
  },
  {
    name: 'partial cohorts and deadlines',
    rounds: 30,
    cohort: { minimumUpdates: 2, deadlineSeconds: 1 },
    // One of them in every fourth round: it closes at its deadline, without her
    sitsOut: (contributor, round) => round % 4 === 0 && (round / 4) % COHORT === contributor,
    kills: 24,
    comparedWith: 'stored',
  },
  {
    name: 'over-selection',
    rounds: 30,
    cohort: { cohortSize: 2, minimumUpdates: 2, overSelection: 0.5 },
    kills: 24,
    comparedWith: 'stored',
  },
  {
    name: 'noised, in the window of its law, with local counts',
    config: {
      privacy: { unit: 'example', noiseMultiplier: 1.25, targetDelta: 1e-5 },
      aggregation: { normWindow: 'noise-law' },
      localMetrics: { noiseMultiplier: 2 },
    },
    rounds: 22,
    kills: 18,
    comparedWith: 'stored',
  },
  { name: 'two runs on one server', rounds: 16, runs: 2, kills: 24, comparedWith: 'stored' },
];

function run(one: Case, kills: readonly KillPoint[]): Promise<CrashRunResult> {
  const { config, rounds, cohort, runs = 1, parameterCount = 500, sitsOut, comparedWith } = one;
  const whole = {
    ...config,
    rounds: { count: rounds, cohortSize: COHORT, minimumUpdates: COHORT, deadlineSeconds: 600, ...cohort },
  };
  return runWithCrashes({
    configs: Array.from({ length: runs }, () => whole),
    parameterCount,
    kills,
    keepUpdates: comparedWith === 'stored' ? 'all' : 'none',
    ...(sitsOut && { sitsOut }),
  });
}

/** Each of them once, whoever asks first. */
function once(make: (one: Case) => Promise<CrashRunResult>, keyOf: (one: Case) => string): typeof make {
  const made = new Map<string, Promise<CrashRunResult>>();
  return (one) => {
    const result = made.get(keyOf(one)) ?? make(one);
    made.set(keyOf(one), result);
    return result;
  };
}

const undisturbedRun = once(
  (one) => run(one, []),
  ({ config, rounds, parameterCount }) => JSON.stringify([config, rounds, parameterCount]),
);
const crashedRun = once(
  (one) => run(one, killPoints(one.kills, SEED + CASES.indexOf(one))),
  ({ name }) => name,
);

function expectWhole(outcome: RunOutcome, { rounds, cohort, sitsOut }: Case): void {
  const { records, stored } = outcome;
  expect(outcome.refusals).toEqual([]);
  expect(outcome.lost).toEqual([]);
  expect(records.map(({ round }) => round)).toEqual(Array.from({ length: rounds + 1 }, (_, i) => i));
  expect(records.map(({ adapterVersion }) => adapterVersion)).toEqual(records.map((_, i) => i));
  expect(records.map(({ received }) => received)).toEqual(stored);
  const most = cohort?.cohortSize ?? COHORT;
  for (const received of stored.slice(1)) {
    expect(received).toBeGreaterThanOrEqual(cohort?.minimumUpdates ?? COHORT);
    expect(received).toBeLessThanOrEqual(most);
  }
  // Whoever sits out is missing, so that such rounds are partial for sure
  const partial = stored.filter((received, round) => round > 0 && received < most);
  expect(partial.length > 0).toBe(sitsOut !== undefined);
}

function expectMadeOfStored({ adapters, recomputed, records, recounted }: RunOutcome, one: Case): void {
  expect(recomputed.slice(1)).toEqual(adapters.slice(1));
  if (one.config?.localMetrics === undefined) return;
  const counted = records.map(({ localMetrics }) => localMetrics);
  expect(counted.slice(1)).toEqual(
    recounted.slice(1).map((counts) => expect.objectContaining(counts!) as unknown),
  );
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0);

it.concurrent.each(CASES.map((one) => [one.name, one] as const))(
  'loses nothing and takes nothing twice when it is killed: %s',
  { timeout: 600_000 },
  async (name, one) => {
    const { runs, killed } = await crashedRun(one);
    const tally = (key: 'acknowledged' | 'duplicates' | 'resent' | 'late'): string =>
      `${sumOf(runs.map((outcome) => outcome[key]))} ${key}`;
    console.log(
      `${name}: seed ${SEED + CASES.indexOf(one)}, killed ${JSON.stringify(killed)}, ${tally('acknowledged')}, ${tally('duplicates')}, ${tally('resent')}, ${tally('late')}`,
    );
    for (const outcome of runs) {
      expectWhole(outcome, one);
      if (one.comparedWith === 'stored') expectMadeOfStored(outcome, one);
    }
    if (one.comparedWith === 'stored') return;
    const { runs: undisturbed } = await undisturbedRun(one);
    expect(undisturbed[0]!.late).toBe(0);
    expectWhole(undisturbed[0]!, one);
    expect(runs[0]!.adapters).toEqual(undisturbed[0]!.adapters);
    expect(runs[0]!.records).toEqual(undisturbed[0]!.records);
  },
);

it.concurrent(
  'was killed at least 200 times, of every kind, and lost acknowledgements',
  { timeout: 600_000 },
  async () => {
    const results = await Promise.all(CASES.map(crashedRun));
    const kinds: KillPoint['at'][] = ['sent', 'acknowledged', 'round-ended', 'round-started', 'spawn'];
    const killed = kinds.map((kind) => sumOf(results.map((result) => result.killed[kind] ?? 0)));
    const resent = sumOf(results.flatMap(({ runs }) => runs.map((outcome) => outcome.resent)));
    console.log(
      `killed ${sumOf(killed)} times: ${kinds.map((kind, k) => `${killed[k]} ${kind}`).join(', ')}; ${resent} updates were stored and not acknowledged`,
    );
    expect(sumOf(killed)).toBeGreaterThanOrEqual(200);
    for (const count of killed) expect(count).toBeGreaterThanOrEqual(25);
    expect(resent).toBeGreaterThanOrEqual(5);
  },
);
