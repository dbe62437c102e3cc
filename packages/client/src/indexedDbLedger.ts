import type { DBSchema, IDBPDatabase } from 'idb';
import { openDB } from 'idb';
import { ChoraleError } from '@chorale/protocol';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { chargedAlready } from './ledger.ts';
import { eventOfOther, parseEntry, parseIdentity, parseLimits } from './ledgerSchema.ts';

/** Whatever is read may be damaged, or written by another program: it is `unknown` until it has been checked. */
type Schema = DBSchema & {
  identities: { key: string; value: unknown };
  ledger: { key: [runId: string, round: number]; value: unknown };
  limits: { key: string; value: unknown };
};

const DATABASE_NAME = 'chorale';
const DATABASE_VERSION = 2;

/**
 * The browser's ledger, in IndexedDB with strict durability.
 * @throws {ChoraleError} LEDGER_UNAVAILABLE: private windows and full disks can refuse storage; without a ledger no
 *   training, since nothing would count what was spent
 */
export async function openIndexedDbLedger(runId: string): Promise<Ledger> {
  return ledgerOf(await attempt(openDatabase), runId);
}

async function openDatabase(): Promise<IDBPDatabase<Schema>> {
  const blocked = Promise.withResolvers<never>();
  const opening = openDB<Schema>(DATABASE_NAME, DATABASE_VERSION, {
    upgrade(db, oldVersion) {
      if (oldVersion < 1) {
        db.createObjectStore('identities');
        db.createObjectStore('ledger');
      }
      if (oldVersion < 2) db.createObjectStore('limits');
    },
    blocked: () =>
      blocked.reject(
        new ChoraleError(
          'LEDGER_UNAVAILABLE',
          'Another tab of this page has been open since before the program was renewed, and holds the privacy ledger. Close that tab, then reload this one.',
        ),
      ),
    // The other way round: this tab lets a newer program have it, and can write no more itself
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
  });
  // The winner of the race is what counts
  opening.catch(() => undefined);
  return await Promise.race([opening, blocked.promise]);
}

function ledgerOf(database: IDBPDatabase<Schema>, runId: string): Ledger {
  const rangeOfRun = IDBKeyRange.bound([runId, 0], [runId, Number.MAX_SAFE_INTEGER]);
  const read = async <T>(store: 'identities' | 'limits', parse: (value: unknown) => T): Promise<T | null> => {
    const value = await attempt(() => database.get(store, runId));
    return value === undefined ? null : parse(value);
  };
  const put = async (...[store, value, key]: Put): Promise<void> => {
    await attempt(async () => {
      const transaction = database.transaction(store, 'readwrite', { durability: 'strict' });
      await Promise.all([transaction.objectStore(store).put(value, key), transaction.done]);
    });
  };
  const add = async (entry: LedgerEntry): Promise<void> => {
    await attempt(async () => {
      const transaction = database.transaction('ledger', 'readwrite', { durability: 'strict' });
      const added = transaction.store.add(entry, [runId, entry.round]).catch((cause: unknown) => {
        throw isNamed(cause, 'ConstraintError') ? chargedAlready(entry.round, cause) : cause;
      });
      // The entry's own error says more than that of the transaction which it ends
      const [outcome, done] = await Promise.allSettled([added, transaction.done]);
      if (outcome.status === 'rejected') throw outcome.reason;
      if (done.status === 'rejected') throw done.reason;
    });
  };
  return {
    identity: () => read('identities', parseIdentity),
    saveIdentity: (identity) => put('identities', identity, runId),
    limits: () => read('limits', parseLimits),
    saveLimits: (limits) => put('limits', limits, runId),
    entries: async () => (await attempt(() => database.getAll('ledger', rangeOfRun))).map(parseEntry),
    add,
    settle: (entry) => put('ledger', entry, [runId, entry.round]),
    otherRuns: () =>
      attempt(async () => {
        const { store } = database.transaction('ledger');
        const [keys, values] = await Promise.all([store.getAllKeys(), store.getAll()]);
        return values.filter((_, i) => keys[i]![0] !== runId).map(eventOfOther);
      }),
  };
}

type Put =
  | [store: 'identities' | 'limits', value: unknown, key: string]
  | [store: 'ledger', value: unknown, key: [runId: string, round: number]];

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

async function attempt<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof ChoraleError) throw cause;
    throw new ChoraleError(
      'LEDGER_UNAVAILABLE',
      'This browser does not let the page keep its privacy ledger. Leave private mode or free disk space, then reload.',
      { cause },
    );
  }
}
