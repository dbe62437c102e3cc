import { afterEach, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { problemsOf } from '../testing/recordedLog.ts';
import { HostSite } from './runHost.fixture.ts';

let site: HostSite;
afterEach(() => site.clean());

const U = [0.1, 0.2, 0.3, 0.4];
const rounds = { count: 50, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 60 };

/** The real store; its writes are counted, and look-ups of one contributor's updates can be made to fail. */
class WatchedStore {
  writes = 0;
  damagedFor: string | null = null;
  acceptFails: 'STORE_DAMAGED' | null = null;
  chargeFails: 'STORE_FULL' | null = null;

  readonly wrap = (store: Store): Store => ({
    ...store,
    acceptUpdates: (...args) => {
      if (this.acceptFails !== null) throw new ChoraleError(this.acceptFails, 'told to fail');
      this.writes++;
      store.acceptUpdates(...args);
    },
    chargeRounds: (...args) => {
      if (this.chargeFails !== null) throw new ChoraleError(this.chargeFails, 'told to fail');
      this.writes++;
      return store.chargeRounds(...args);
    },
    setLastRefusals: (...args) => {
      this.writes++;
      store.setLastRefusals(...args);
    },
    getUpdateHash: (runId, round, contributorId) => {
      if (contributorId === this.damagedFor) throw new ChoraleError('STORE_DAMAGED', 'told to be damaged');
      return store.getUpdateHash(runId, round, contributorId);
    },
  });
}

async function open(join: number): Promise<{ watched: WatchedStore; ids: string[] }> {
  const watched = new WatchedStore();
  site = await HostSite.open({ config: { rounds }, wrap: watched.wrap });
  return { watched, ids: site.join(join) };
}

const isCharged = (id: string) => site.store.chargedRounds(site.run.runId, id);

it('charges all that come too late in one transaction, and holds nothing against them', async () => {
  const { watched, ids } = await open(40);
  const results = await Promise.all(ids.flatMap((id) => [site.send(id, 3, U), site.send(id, 4, U)]));
  expect(new Set(results)).toEqual(new Set(['UPDATE_WRONG_ROUND']));
  expect(ids.map(isCharged)).toEqual(ids.map(() => [3, 4]));
  expect(ids.map((id) => site.host.lastRefusal(id))).toEqual(ids.map(() => undefined));
  expect(watched.writes).toBe(1);
  site.host.close();
  expect(watched.writes).toBe(1);
});

it('stores what updates were refused for now and then, whatever alternates, and at the end', async () => {
  const { watched, ids } = await open(2);
  const [a] = ids as [string];
  for (let k = 0; k < 20; k++) {
    const result = await site.send(
      a,
      1,
      k % 2 === 0 ? new Uint8Array(96) : site.encode(1, U).subarray(0, 90),
    );
    const code = k % 2 === 0 ? 'UPDATE_MALFORMED' : 'UPDATE_SIZE';
    expect([result, site.host.lastRefusal(a)]).toEqual([code, code]);
  }
  // Bytes of the run and round charge it, once
  expect(watched.writes).toBeLessThanOrEqual(11);
  site.host.close();
  expect(site.store.getContributor(site.run.runId, a)!.lastRefusal).toBe('UPDATE_SIZE');
});

it('refuses nobody else for a row that cannot be read, and lets her send again', async () => {
  const { watched, ids } = await open(2);
  const [a, b] = ids as [string, string];
  watched.damagedFor = a;
  expect(await Promise.all([site.send(a, 1, U), site.send(b, 1, U)])).toEqual(['STORE_ERROR', 'accepted']);
  expect(() => site.host.weighOffer(a, { round: 1, sha256: 'a'.repeat(64), payloadBytes: 1 })).toThrow(
    expect.objectContaining({ code: 'STORE_ERROR', retryable: true }) as Error,
  );
  expect(problemsOf(site.logged.lines)).toEqual(['could not look up an update']);
  watched.damagedFor = null;
  expect(await site.send(a, 1, U)).toBe('accepted');
});

it('tells everybody to send again when nothing can be written, for whatever reason', async () => {
  const { watched, ids } = await open(2);
  const [a, b] = ids as [string, string];
  watched.acceptFails = 'STORE_DAMAGED';
  expect(await Promise.all([site.send(a, 1, U), site.send(b, 1, U)])).toEqual(['STORE_ERROR', 'STORE_ERROR']);
  watched.acceptFails = null;
  watched.chargeFails = 'STORE_FULL';
  expect(await Promise.all([site.send(a, 9, U), site.send(b, 1, U)])).toEqual(['STORE_FULL', 'accepted']);
  expect(isCharged(a)).toEqual([]);
});
