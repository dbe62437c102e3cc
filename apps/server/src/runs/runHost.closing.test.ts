import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import type { Store, StoredUpdate } from '@chorale/store';
import type { Log } from '../log.ts';
import type { Evaluation, Price } from '../serverParts.ts';
import { problemsOf } from '../testing/recordedLog.ts';
import { until } from '../testing/until.ts';
import type { HostSiteOptions } from './runHost.fixture.ts';
import { HostSite } from './runHost.fixture.ts';

let site: HostSite;
afterEach(() => site.clean());

const rounds = (cohortSize: number, count = 1) => ({
  count,
  cohortSize,
  minimumUpdates: 1,
  deadlineSeconds: 60,
});
const TRIMMED = { rule: 'trimmed-mean' } as const;

/** A run whose cohort has sent all its updates of round 1. */
async function sent(cohortSize: number, options: HostSiteOptions): Promise<void> {
  site = await HostSite.open(options);
  const count = options.parameterCount ?? 4;
  for (const [k, id] of site.join(cohortSize).entries()) {
    const values = Array.from({ length: count }, (_, i) => (k + 1) * ((i % 7) + 1));
    expect(await site.send(id, 1, values)).toBe('accepted');
  }
}

const adapter = () => until(() => site.adapter(1), 'adapter version 1');
const record = () => site.store.listRecords(site.run.runId)[1];

/** The updates of a round are read through this. */
const reading =
  (change: (updates: Iterable<StoredUpdate>) => Iterable<StoredUpdate>) =>
  (store: Store): Store => ({
    ...store,
    eachUpdate: (runId, round) => change(store.eachUpdate(runId, round)),
  });

it.each<[string, (updates: StoredUpdate[]) => StoredUpdate[]]>([
  [
    'an allocation fails',
    () => {
      throw new RangeError('Array buffer allocation failed');
    },
  ],
  ['fewer updates are read than were counted', (updates) => updates.slice(1)],
])('goes on with a round though at first %s', async (_, broken) => {
  let reads = 0;
  const closed: string[] = [];
  await sent(2, {
    config: { rounds: rounds(2), aggregation: TRIMMED },
    wrap: reading((updates) => (++reads === 1 ? broken([...updates]) : updates)),
    observer: { roundClosed: (_runId, outcome) => closed.push(outcome) },
  });
  expect(await adapter()).toEqual(Float64Array.of(1.5, 3, 4.5, 6));
  expect([reads, closed]).toEqual([2, ['aggregated']]);
  expect(problemsOf(site.logged.lines)).toEqual(['could not aggregate the round; trying again']);
});

it('ends a run for what would be the same another time, and tells it once', async () => {
  const closed: string[] = [];
  let saves = 0;
  await sent(2, {
    config: { rounds: rounds(2), aggregation: TRIMMED },
    wrap: (store) => ({
      ...reading((updates) => [...updates].map((one) => ({ ...one, bytes: one.bytes.subarray(1) })))(store),
      saveEngine: (runId, engine) => {
        if (engine.status === 'failed' && ++saves === 1) throw new Error('not now');
        store.saveEngine(runId, engine);
      },
    }),
    observer: { roundClosed: (_runId, outcome) => closed.push(outcome) },
  });
  await until(() => site.host.view().status === 'failed', 'the end of the run');
  expect([saves, closed]).toEqual([2, ['failed']]);
});

it('lets others have their turn while it sorts, and has the same bits in the end', async () => {
  const parameterCount = 60_000;
  let isReading = false;
  await sent(40, {
    parameterCount,
    config: { rounds: rounds(40), aggregation: TRIMMED },
    wrap: reading((updates) => {
      isReading = true;
      return updates;
    }),
  });
  let turns = 0;
  while (site.adapter(1) === undefined) {
    await setImmediate();
    if (isReading) turns++;
  }
  expect(turns).toBeGreaterThan(5);
  // Of 40 the 4 smallest and 4 largest are left out: the mean of the factors 5 to 36
  expect(site.adapter(1)).toEqual(
    Float64Array.from({ length: parameterCount }, (_, i) => 20.5 * ((i % 7) + 1)),
  );
});

it('goes on without a price when the accountant gives no answer, and fills it in when it does', async () => {
  const asked: PromiseWithResolvers<Price>[] = [];
  await sent(1, {
    config: { rounds: rounds(1, 2) },
    priceLimitMs: 50,
    priceRounds: () => {
      asked.push(Promise.withResolvers());
      return asked.at(-1)!.promise;
    },
  });
  await adapter();
  expect(record()).toMatchObject({ round: 1, spentEpsilon: null });
  expect(problemsOf(site.logged.lines)).toEqual([
    expect.stringContaining('accountant gave no answer in time'),
  ]);
  for (const { resolve } of asked) resolve({ epsilon: 1.25, reason: null });
  await until(() => record()!.spentEpsilon !== null, 'the price');
  expect(record()).toMatchObject({ spentEpsilon: 1.25 });
  expect(site.records.at(-1)).toMatchObject({ round: 1, spentEpsilon: 1.25 });
});

it('fills in after a restart what is without a price', async () => {
  let answers = false;
  await sent(1, {
    config: { rounds: rounds(1, 2) },
    priceLimitMs: 50,
    priceRounds: (count) =>
      answers ? setTimeout(20, { epsilon: count, reason: null }) : Promise.withResolvers<Price>().promise,
  });
  await adapter();
  answers = true;
  site.reopen();
  await until(() => record()!.spentEpsilon !== null, 'the price');
  expect(record()).toMatchObject({ round: 1, spentEpsilon: 1 });
});

it('goes on though nothing can be told to the operator or the metrics', async () => {
  const fail = (): never => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  const log: Log = { debug: fail, info: fail, warn: fail, error: fail, child: () => log };
  await sent(2, { config: { rounds: rounds(2, 2) }, log });
  expect(await adapter()).toEqual(Float64Array.of(1.5, 3, 4.5, 6));
  await until(() => site.host.view().round === 2, 'round 2');
});

it('has read what is stored of an open round before it starts, so before anybody can be kept waiting', async () => {
  const calls: string[] = [];
  site = await HostSite.open({
    config: { rounds: rounds(2) },
    wrap: (store) => ({
      ...store,
      eachUpdate: (...args) => {
        calls.push('read');
        return store.eachUpdate(...args);
      },
      listRecords: (runId) => {
        calls.push('start');
        return store.listRecords(runId);
      },
    }),
  });
  const [a, b] = site.join(2);
  expect(await site.send(a!, 1, [1, 2, 3, 4])).toBe('accepted');
  calls.length = 0;
  site.reopen();
  expect(calls.slice(0, 2)).toEqual(['read', 'start']);
  expect(await site.send(b!, 1, [3, 2, 1, 0])).toBe('accepted');
  expect(await adapter()).toEqual(Float64Array.of(2, 2, 2, 2));
  expect(calls.filter((call) => call === 'read')).toHaveLength(1);
});

it('lets go of the model when the run ends while it measures, as soon as it has', async () => {
  const measuring: PromiseWithResolvers<{ accuracy: number; loss: number }>[] = [];
  let disposed = 0;
  const evaluation: Evaluation = {
    evaluate: () => {
      measuring.push(Promise.withResolvers());
      return measuring.at(-1)!.promise;
    },
    dispose: () => void disposed++,
  };
  await sent(1, { config: { rounds: rounds(1, 3) }, evaluation });
  await until(() => measuring.length === 2, 'both measurements');
  site.host.act('stop');
  await setTimeout(20);
  measuring[0]!.resolve({ accuracy: 0.1, loss: 1 });
  await setTimeout(20);
  expect([site.host.view().status, disposed]).toEqual(['stopped', 0]);
  measuring[1]!.resolve({ accuracy: 0.2, loss: 2 });
  await until(() => disposed > 0, 'the end of the evaluator');
  expect(record()).toMatchObject({ testAccuracy: 0.2 });
});
