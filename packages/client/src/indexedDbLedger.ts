import type { DBSchema, IDBPDatabase } from 'idb';
import { openDB } from 'idb';
import { ChoraleError } from '@chorale/protocol';
import type { Identity, Ledger, LedgerEntry } from './ledger.ts';

type Schema = DBSchema & {
  identities: { key: string; value: Identity };
  ledger: { key: [runId: string, round: number]; value: LedgerEntry };
};

const DATABASE_NAME = 'chorale';

/**
 * The browser's ledger, in IndexedDB with strict durability.
 * @throws {ChoraleError} LEDGER_UNAVAILABLE: private windows and full disks can refuse storage; without a ledger no
 *   training, since nothing would count what was spent
 */
export async function openIndexedDbLedger(runId: string): Promise<Ledger> {
  const database = await attempt(() =>
    openDB<Schema>(DATABASE_NAME, 1, {
      upgrade(db) {
        db.createObjectStore('identities');
        db.createObjectStore('ledger');
      },
    }),
  );
  return ledgerOf(database, runId);
}

function ledgerOf(database: IDBPDatabase<Schema>, runId: string): Ledger {
  const rangeOfRun = () => IDBKeyRange.bound([runId, 0], [runId, Number.MAX_SAFE_INTEGER]);
  return {
    identity: () => attempt(async () => (await database.get('identities', runId)) ?? null),
    saveIdentity: (identity) =>
      attempt(async () => {
        const transaction = database.transaction('identities', 'readwrite', { durability: 'strict' });
        await Promise.all([transaction.store.put(identity, runId), transaction.done]);
      }),
    entries: () => attempt(() => database.getAll('ledger', rangeOfRun())),
    write: (entry) =>
      attempt(async () => {
        const transaction = database.transaction('ledger', 'readwrite', { durability: 'strict' });
        await Promise.all([transaction.store.put(entry, [runId, entry.round]), transaction.done]);
      }),
  };
}

async function attempt<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new ChoraleError(
      'LEDGER_UNAVAILABLE',
      'This browser does not let the page keep its privacy ledger. Leave private mode or free disk space, then reload.',
      { cause },
    );
  }
}
