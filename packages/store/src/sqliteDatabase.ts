import { DatabaseSync } from 'node:sqlite';
import { ChoraleError } from '@chorale/protocol';
import { MIGRATIONS } from './migrations.ts';

/**
 * Opens a database for durable writes and brings its schema up to date.
 * WAL with `synchronous = FULL`: a transaction that returned survives a power cut, and readers in other processes
 * (`chorale export`) do not block the server.
 * @param path a file, or ":memory:"
 * @throws {ChoraleError} STORE_ERROR when it cannot be opened or a newer release wrote it
 */
export function openDatabase(path: string, migrations: readonly string[] = MIGRATIONS): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    migrate(database, migrations, path);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof ChoraleError) throw error;
    throw new ChoraleError('STORE_ERROR', `expected a Chorale database at ${path}, it cannot be opened`, {
      cause: error,
    });
  }
}

function migrate(database: DatabaseSync, migrations: readonly string[], path: string): void {
  // The version is read inside the transaction: two processes that open the same new file must not both migrate it.
  transaction(database, () => {
    const version = schemaVersion(database);
    if (version > migrations.length) {
      throw new ChoraleError(
        'STORE_ERROR',
        `expected ${path} to have schema ${migrations.length} or older, it has ${version}: a newer release of Chorale wrote it; run that release, or choose another data directory`,
      );
    }
    for (const migration of migrations.slice(version)) database.exec(migration);
    if (version < migrations.length) database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()!['user_version']);
}

/** Runs `work` as one transaction: all of it is durable when this returns, or none of it happened. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // Some failures (a full disk) have rolled back already.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
