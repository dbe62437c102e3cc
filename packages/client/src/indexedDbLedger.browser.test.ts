import { deleteDB, openDB } from 'idb';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import { openIndexedDbLedger } from './indexedDbLedger.ts';
import type { LedgerEntry } from './ledger.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const EVENT: DpEvent = {
  type: 'self-composed',
  event: {
    type: 'poisson-sampled-gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    samplingRate: 0.1,
    noiseMultiplier: 1.25,
  },
  count: 4,
};

const entryOf = (round: number, changes: Partial<LedgerEntry> = {}): LedgerEntry => ({
  round,
  event: EVENT,
  payload: Uint8Array.of(round % 256, 2, 3),
  outcome: 'pending',
  ...changes,
});

/** A run that no test before had: the database outlives them. */
const newRun = (): string => `run-${crypto.randomUUID()}`;

const IDENTITY = { contributorId: 'contributor1', token: 't'.repeat(20), planHash: 'a'.repeat(64) };
const LIMITS = { epsilonLimit: 2.5, leastNoiseMultiplier: 0.7, mostRounds: 7 };

/** Changes what is stored behind the ledger's back. */
async function edit(store: string, value: unknown, key: IDBValidKey): Promise<void> {
  const database = await openDB('chorale');
  await database.put(store, value, key);
  database.close();
}

const refused = { name: 'ChoraleError', code: 'LEDGER_UNAVAILABLE' };

test('a new run has no identity, no limits and no entries', async () => {
  const ledger = await openIndexedDbLedger(newRun());
  expect(await ledger.identity()).toBeNull();
  expect(await ledger.limits()).toBeNull();
  expect(await ledger.entries()).toEqual([]);
});

test('limits survive a new connection, and the last ones hold', async () => {
  const runId = newRun();
  const first = await openIndexedDbLedger(runId);
  await first.saveLimits({ epsilonLimit: null, leastNoiseMultiplier: null, mostRounds: 1 });
  await first.saveLimits(LIMITS);
  expect(await (await openIndexedDbLedger(runId)).limits()).toEqual(LIMITS);
  expect(await (await openIndexedDbLedger(newRun())).limits()).toBeNull();
});

test('identity and entries survive a new connection, bytes and all', async () => {
  const runId = newRun();
  const identity = { contributorId: 'contributor1', token: 't'.repeat(20), planHash: 'a'.repeat(64) };
  const first = await openIndexedDbLedger(runId);
  await first.saveIdentity(identity);
  await first.add(entryOf(1));
  await first.add(entryOf(2, { event: { type: 'non-private' }, payload: null, outcome: 'late' }));

  const second = await openIndexedDbLedger(runId);
  expect(await second.identity()).toEqual(identity);
  expect(await second.entries()).toEqual([
    entryOf(1),
    entryOf(2, { event: { type: 'non-private' }, payload: null, outcome: 'late' }),
  ]);
});

test('entries come in the order of rounds, not of writing or of digits', async () => {
  const ledger = await openIndexedDbLedger(newRun());
  for (const round of [10, 2, 100_000, 1, 9]) await ledger.add(entryOf(round));
  expect((await ledger.entries()).map(({ round }) => round)).toEqual([1, 2, 9, 10, 100_000]);
});

test('a second release of a round is refused, and the first one stays', async () => {
  const runId = newRun();
  const ledger = await openIndexedDbLedger(runId);
  await ledger.add(entryOf(1));
  const other = entryOf(1, { payload: Uint8Array.of(9) });
  const chargedAlready = { ...refused, message: expect.stringMatching(/no entry of round 1/) as string };
  await expect(ledger.add(other)).rejects.toMatchObject(chargedAlready);
  await expect((await openIndexedDbLedger(runId)).add(other)).rejects.toMatchObject(chargedAlready);
  expect(await ledger.entries()).toEqual([entryOf(1)]);
});

test('settling a round replaces its entry', async () => {
  const ledger = await openIndexedDbLedger(newRun());
  await ledger.add(entryOf(1));
  await ledger.settle(entryOf(1, { payload: null, outcome: 'accepted' }));
  expect(await ledger.entries()).toEqual([entryOf(1, { payload: null, outcome: 'accepted' })]);
});

test('two runs do not mix, also when the one id begins with the other', async () => {
  const runId = newRun();
  const [one, other] = [await openIndexedDbLedger(runId), await openIndexedDbLedger(`${runId}-b`)];
  await one.add(entryOf(1));
  await other.add(entryOf(2));
  const identity = { contributorId: 'contributor1', token: 't'.repeat(20), planHash: 'a'.repeat(64) };
  await one.saveIdentity(identity);
  expect((await one.entries()).map(({ round }) => round)).toEqual([1]);
  expect((await other.entries()).map(({ round }) => round)).toEqual([2]);
  expect(await other.identity()).toBeNull();
});

test('what the other runs of this browser released is told apart from its own', async () => {
  const [one, other] = [await openIndexedDbLedger(newRun()), await openIndexedDbLedger(newRun())];
  const before = (await one.otherRuns()).length; // the database outlives other tests
  await one.add(entryOf(1));
  expect(await one.otherRuns()).toHaveLength(before);
  await other.add(entryOf(1));
  await other.add(entryOf(2));
  const others = await one.otherRuns();
  expect(others).toHaveLength(before + 2);
  expect(others).toContainEqual(EVENT);
});

test('a database of the first release is taken over, and lacks only limits', async () => {
  const runId = newRun();
  await deleteDB('chorale');
  const old = await openDB('chorale', 1, {
    upgrade(db) {
      db.createObjectStore('identities');
      db.createObjectStore('ledger');
    },
  });
  await old.put('identities', IDENTITY, runId);
  await old.put('ledger', entryOf(1), [runId, 1]);
  old.close();
  const ledger = await openIndexedDbLedger(runId);
  expect(await ledger.identity()).toEqual(IDENTITY);
  expect(await ledger.entries()).toEqual([entryOf(1)]);
  expect(await ledger.limits()).toBeNull();
  await ledger.saveLimits(LIMITS);
  expect(await ledger.limits()).toEqual(LIMITS);
});

test('every write is strictly durable, and over when its promise resolves', async () => {
  const ledger = await openIndexedDbLedger(newRun());
  const opened = vi.spyOn(IDBDatabase.prototype, 'transaction');
  const expectOver = (store: string) => {
    const transaction = opened.mock.results.at(-1)!.value as IDBTransaction;
    expect(transaction.durability).toBe('strict');
    expect(() => transaction.objectStore(store)).toThrow(/transaction (is|has) finished/);
  };
  await ledger.add(entryOf(1));
  expectOver('ledger');
  await ledger.settle(entryOf(1, { payload: null, outcome: 'accepted' }));
  expectOver('ledger');
  await ledger.saveIdentity({ contributorId: 'contributor1', token: 't'.repeat(20), planHash: '' });
  expectOver('identities');
  await ledger.saveLimits(LIMITS);
  expectOver('limits');
  expect(opened.mock.calls.map(([stores, mode]) => [stores, mode])).toEqual([
    ['ledger', 'readwrite'],
    ['ledger', 'readwrite'],
    ['identities', 'readwrite'],
    ['limits', 'readwrite'],
  ]);
});

describe('LEDGER_UNAVAILABLE when', () => {
  test('the browser refuses storage', async () => {
    vi.spyOn(indexedDB, 'open').mockImplementation(() => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    });
    await expect(openIndexedDbLedger(newRun())).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/Leave private mode or free disk space/) as string,
    });
  });

  test('a write is refused', async () => {
    const ledger = await openIndexedDbLedger(newRun());
    for (const write of ['add', 'put'] as const) {
      vi.spyOn(IDBObjectStore.prototype, write).mockImplementation(() => {
        throw new DOMException('The disk is full.', 'QuotaExceededError');
      });
    }
    await expect(ledger.add(entryOf(1))).rejects.toMatchObject(refused);
    await expect(ledger.settle(entryOf(1))).rejects.toMatchObject(refused);
    await expect(
      ledger.saveIdentity({ contributorId: 'contributor1', token: 't', planHash: '' }),
    ).rejects.toMatchObject(refused);
  });

  test('a write is taken and then cannot be kept', async () => {
    const ledger = await openIndexedDbLedger(newRun());
    for (const name of ['add', 'put'] as const) {
      const write = IDBObjectStore.prototype[name];
      vi.spyOn(IDBObjectStore.prototype, name).mockImplementation(function (this: IDBObjectStore, ...values) {
        const request = write.apply(this, values);
        // As when the disk fills up while the transaction is committed
        request.addEventListener('success', () => this.transaction.abort());
        return request;
      });
    }
    await expect(ledger.add(entryOf(1))).rejects.toMatchObject(refused);
    await expect(ledger.settle(entryOf(1))).rejects.toMatchObject(refused);
    vi.restoreAllMocks();
    expect(await ledger.entries()).toEqual([]);
  });

  test('a transaction breaks while a write is under way', async () => {
    const ledger = await openIndexedDbLedger(newRun());
    const opened = vi.spyOn(IDBDatabase.prototype, 'transaction');
    const write = ledger.add(entryOf(1));
    (opened.mock.results[0]!.value as IDBTransaction).abort();
    await expect(write).rejects.toMatchObject(refused);
    expect(await ledger.entries()).toEqual([]);
  });

  test('an entry cannot be read; in other runs it counts as unprotected', async () => {
    const runId = newRun();
    const ledger = await openIndexedDbLedger(runId);
    for (const damaged of [
      { ...entryOf(1), event: { type: 'none' } },
      { ...entryOf(1), event: { ...EVENT, count: -4 } },
      { ...entryOf(1), outcome: 'refunded' },
      { ...entryOf(1), epsilon: 0 },
      'entry',
    ]) {
      await edit('ledger', damaged, [runId, 1]);
      await expect(ledger.entries()).rejects.toMatchObject({
        ...refused,
        message: expect.stringMatching(/Nothing more is sent\. Reload; if this stays/) as string,
      });
      const other = await openIndexedDbLedger(newRun());
      expect(await other.otherRuns()).toContainEqual({ type: 'non-private' });
    }
  });

  test('identity or limits cannot be read', async () => {
    const runId = newRun();
    const ledger = await openIndexedDbLedger(runId);
    await edit('identities', { ...IDENTITY, token: 7 }, runId);
    await edit('limits', { ...LIMITS, mostRounds: 0 }, runId);
    await expect(ledger.identity()).rejects.toMatchObject(refused);
    await expect(ledger.limits()).rejects.toMatchObject(refused);
  });

  test('a tab of an older program holds the database, and says to close it', async () => {
    await deleteDB('chorale');
    // Without a listener for newer versions, as the first release had none
    const old = await openDB('chorale', 1);
    await expect(openIndexedDbLedger(newRun())).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/Close that tab, then reload this one/) as string,
    });
    old.close();
    await openIndexedDbLedger(newRun());
  });

  test('a newer program took the database over while this page was open', async () => {
    const ledger = await openIndexedDbLedger(newRun());
    const newer = await openDB('chorale', 3);
    await expect(ledger.add(entryOf(1))).rejects.toMatchObject(refused);
    newer.close();
    await expect(openIndexedDbLedger(newRun())).rejects.toMatchObject(refused);
    await deleteDB('chorale');
  });

  test('the database was closed under it', async () => {
    const ledger = await openIndexedDbLedger(newRun());
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(() => {
      throw new DOMException('The database connection is closing.', 'InvalidStateError');
    });
    await expect(ledger.add(entryOf(1))).rejects.toMatchObject(refused);
    await expect(ledger.entries()).rejects.toMatchObject(refused);
    await expect(ledger.identity()).rejects.toMatchObject(refused);
  });
});
