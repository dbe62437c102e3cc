import { afterEach, describe, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { HostSiteOptions } from './runHost.fixture.ts';
import { HostSite } from './runHost.fixture.ts';
import { until } from '../testing/until.ts';

let site: HostSite;
afterEach(() => site.clean());

const U1 = [0.1, 0.2, 0.3, 0.4];
const U2 = [0.7, -0.2, 1e-7, 12345.678];
const U3 = [-0.3, 0.3, -0.3, 0.3];

/** The float64 mean of float32 values, computed apart from the server's code; the adapter starts at zero. */
const meanOf = (...updates: number[][]): Float64Array =>
  Float64Array.from(
    U1,
    (_, i) => updates.reduce((sum, one) => sum + Math.fround(one[i]!), 0) / updates.length,
  );

/** The last value made one that no device may send; our own encoder refuses to. */
function withNaN(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setFloat32(bytes.byteLength - 4, Number.NaN, true);
  return bytes;
}

const adapter = (version: number) => until(() => site.adapter(version), `adapter version ${version}`);

/** Counts transactions, and fails them when told to. */
class WatchedStore {
  readonly batches: { size: number; withEngine: boolean }[] = [];
  failing: 'STORE_ERROR' | 'STORE_FULL' | null = null;

  readonly wrap = (store: Store): Store => ({
    ...store,
    acceptUpdates: (runId, updates, engine) => {
      if (this.failing !== null) throw new ChoraleError(this.failing, 'told to fail');
      store.acceptUpdates(runId, updates, engine);
      this.batches.push({ size: updates.length, withEngine: engine !== null });
    },
  });
}

async function open(options: HostSiteOptions = {}): Promise<{ watched: WatchedStore; ids: string[] }> {
  const watched = new WatchedStore();
  site = await HostSite.open({ wrap: watched.wrap, ...options });
  return { watched, ids: site.join(3) };
}

describe('updates of one turn of the event loop', () => {
  it('share one transaction, are answered when it is durable, and the one that closes the round brings its state', async () => {
    const { watched, ids } = await open();
    const [a, b, c] = ids as [string, string, string];
    expect(await Promise.all([site.send(a, 1, U1), site.send(b, 1, U2)])).toEqual(['accepted', 'accepted']);
    expect(watched.batches).toEqual([{ size: 2, withEngine: false }]);
    expect(await site.send(c, 1, U3)).toBe('accepted');
    expect(watched.batches[1]).toEqual({ size: 1, withEngine: true });
    expect(await adapter(1)).toEqual(meanOf(U1, U2, U3));
  });

  it('are each judged as if they had come alone', async () => {
    const { watched, ids } = await open();
    const [a, b, c] = ids as [string, string, string];
    const results = await Promise.all([
      site.send(a, 1, withNaN(site.encode(1, U1))),
      site.send(a, 1, U1),
      site.send(b, 2, U1),
      site.send(b, 1, new Uint8Array(96)),
      site.send(c, 1, U3),
    ]);
    expect(results).toEqual([
      'UPDATE_NOT_FINITE',
      'accepted',
      'UPDATE_WRONG_ROUND',
      'UPDATE_MALFORMED',
      'accepted',
    ]);
    expect(watched.batches).toEqual([{ size: 2, withEngine: false }]);
    expect(site.store.chargedRounds(site.run.runId, a)).toEqual([1]);
    expect(site.store.chargedRounds(site.run.runId, b)).toEqual([2]);
    expect([a, b].map((id) => site.host.lastRefusal(id))).toEqual(['UPDATE_NOT_FINITE', 'UPDATE_MALFORMED']);
    expect(await site.send(b, 1, U2)).toBe('accepted');
    expect(await adapter(1)).toEqual(meanOf(U1, U2, U3));
  });

  it('of one contributor: the same bytes are a duplicate, others a conflict, and one is stored', async () => {
    const { watched, ids } = await open();
    const [a, b, c] = ids as [string, string, string];
    const results = await Promise.all([
      site.send(a, 1, U1),
      site.send(a, 1, U1),
      site.send(a, 1, U2),
      site.send(b, 1, U2),
    ]);
    expect(results).toEqual(['accepted', 'duplicate', 'UPDATE_CONFLICT', 'accepted']);
    expect(watched.batches).toEqual([{ size: 2, withEngine: false }]);
    expect(await site.send(c, 1, U3)).toBe('accepted');
    expect(await adapter(1)).toEqual(meanOf(U1, U2, U3));
  });

  it('that come behind the one that closes the round are late', async () => {
    const config = {
      rounds: { count: 2, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 60, overSelection: 0.5 },
    };
    const { ids } = await open({ config });
    const [a, b, c] = ids as [string, string, string];
    const results = await Promise.all([
      site.send(a, 1, U1),
      site.send(b, 1, U2),
      site.send(c, 1, U3),
      site.send(b, 1, U2),
    ]);
    expect(results).toEqual(['accepted', 'accepted', 'UPDATE_WRONG_ROUND', 'duplicate']);
    expect(await adapter(1)).toEqual(meanOf(U1, U2));
    expect(site.store.listRecords(site.run.runId)[1]).toMatchObject({ cohort: 3, received: 2 });
  });
});

describe('a transaction that fails', () => {
  it.each(['STORE_ERROR', 'STORE_FULL'] as const)(
    'is %s for all of its updates, and nothing has changed',
    async (code) => {
      const { watched, ids } = await open();
      const [a, b, c] = ids as [string, string, string];
      watched.failing = code;
      const all = () => Promise.all([site.send(a, 1, U1), site.send(b, 1, U2), site.send(c, 1, U3)]);
      expect(await all()).toEqual([code, code, code]);
      expect(site.host.view()).toMatchObject({ status: 'training', received: 0 });
      expect(site.store.receivedContributors(site.run.runId, 1)).toEqual([]);
      expect(await all()).toEqual([code, code, code]);
      watched.failing = null;
      expect(await all()).toEqual(['accepted', 'accepted', 'accepted']);
      expect(watched.batches).toEqual([{ size: 3, withEngine: true }]);
      expect(await adapter(1)).toEqual(meanOf(U1, U2, U3));
    },
  );

  it('answers what depends on its updates in the same way', async () => {
    const { watched, ids } = await open();
    const [a] = ids as [string];
    watched.failing = 'STORE_ERROR';
    expect(await Promise.all([site.send(a, 1, U1), site.send(a, 1, U1), site.send(a, 1, U2)])).toEqual([
      'STORE_ERROR',
      'STORE_ERROR',
      'STORE_ERROR',
    ]);
    watched.failing = null;
    // The other bytes are no conflict: nothing of the first was stored
    expect(await site.send(a, 1, U2)).toBe('accepted');
  });
});

describe('a host that comes back', () => {
  it.each(['mean', 'trimmed-mean'] as const)(
    'makes the same %s of what was stored before and after',
    async (rule) => {
      const config = { aggregation: { rule }, rounds: { count: 1, cohortSize: 3, minimumUpdates: 3 } };
      const results: Float64Array[] = [];
      const seen: unknown[] = [];
      for (const crashes of [0, 1, 2]) {
        const { ids } = await open({ config });
        const sent = [U3, U1, U2];
        for (const [k, id] of ids.entries()) {
          expect(await site.send(id, 1, sent[k]!)).toBe('accepted');
          if (k >= crashes) continue;
          site.reopen();
          seen.push(site.host.view().received, await site.send(id, 1, sent[k]!));
        }
        results.push(await adapter(1));
        if (crashes < 2) site.clean();
      }
      expect(seen).toEqual([1, 'duplicate', 1, 'duplicate', 2, 'duplicate']);
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
      // Of three, a tenth at each end is nobody
      expect(results[0]).toEqual(meanOf(U3, U1, U2));
    },
  );

  it('carries momentum on from where it was', async () => {
    const config = {
      aggregation: { serverOptimizer: { name: 'momentum' as const, momentum: 0.5 } },
      rounds: { count: 3, cohortSize: 1, minimumUpdates: 1 },
    };
    const { ids } = await open({ config });
    const round = async (r: number) => {
      const { contributorId } = await until(
        () => site.starts.find((one) => one.round === r),
        `the start of round ${r}`,
      );
      expect(await site.send(contributorId, r, [1, 2, 3, 4])).toBe('accepted');
      return adapter(r);
    };
    expect(ids).toHaveLength(3);
    expect(await round(1)).toEqual(Float64Array.of(1, 2, 3, 4));
    site.reopen();
    site.rejoin();
    expect(await round(2)).toEqual(Float64Array.of(2.5, 5, 7.5, 10));
    expect(await round(3)).toEqual(Float64Array.of(4.25, 8.5, 12.75, 17));
  });
});

describe('what is kept of an aggregated round', () => {
  it.each([
    [false, 0],
    [true, 3],
  ])('keepUpdates %s: the bytes of %i updates, and every hash', async (keepUpdates, kept) => {
    const { ids } = await open({ keepUpdates });
    await Promise.all(ids.map((id) => site.send(id, 1, U1)));
    await adapter(1);
    expect([...site.store.eachUpdate(site.run.runId, 1)]).toHaveLength(kept);
    expect(await site.send(ids[0]!, 1, U1)).toBe('duplicate');
    expect(await site.send(ids[0]!, 1, U2)).toBe('UPDATE_CONFLICT');
  });
});

describe('a host that is parked', () => {
  it('answers what waits, finishes the aggregation, and takes nothing more', async () => {
    const { ids } = await open();
    const [a, b, c] = ids as [string, string, string];
    const waiting = [site.send(a, 1, U1), site.send(b, 1, U2), site.send(c, 1, U3)];
    const parked = site.host.park();
    expect(await Promise.all(waiting)).toEqual(['accepted', 'accepted', 'accepted']);
    await parked;
    expect(site.adapter(1)).toEqual(meanOf(U1, U2, U3));
    expect(await site.send(a, 1, U1)).toBe('SERVER_CLOSING');
    expect(() => site.join(1)).toThrow(/is being stopped/);
  });

  it('waits for nobody: an open round goes on at the next start', async () => {
    const { ids } = await open();
    await site.send(ids[0]!, 1, U1);
    await site.host.park();
    site.reopen();
    expect(site.host.view()).toMatchObject({ status: 'training', round: 1, received: 1 });
  });
});

it.each([false, true])('ends with the bytes of its updates kept: %s', async (keepUpdates) => {
  site = await HostSite.open({ keepUpdates });
  const [a] = site.join(3);
  await until(() => site.starts.length === 3, 'the round');
  expect(await site.send(a!, 1, [1, 2, 3, 4])).toBe('accepted');
  const { runId } = site.run;
  expect([...site.store.eachUpdate(runId, 1)]).toHaveLength(1);
  site.host.act('stop');
  expect(site.store.getRun(runId)!.status).toBe('stopped');
  expect([...site.store.eachUpdate(runId, 1)]).toHaveLength(keepUpdates ? 1 : 0);
  expect(site.store.receivedContributors(runId, 1)).toEqual([a]);
});

it('bounds what waits: an update beyond it may be sent again', async () => {
  const count = 3_000_000;
  const { ids } = await open({ parameterCount: count });
  const payload = site.encode(1, Array<number>(count).fill(0.5));
  // 12 MB each: five fit into 64 MiB
  const results = await Promise.all(Array.from({ length: 7 }, () => site.send(ids[0]!, 1, payload)));
  expect(results).toEqual([
    'accepted',
    ...Array<string>(4).fill('duplicate'),
    'RATE_LIMITED',
    'RATE_LIMITED',
  ]);
});
