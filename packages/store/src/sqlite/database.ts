import { closeSync, existsSync, fsyncSync, linkSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ChoraleError } from '@chorale/protocol';
import { MIGRATIONS } from '../migrations.ts';
import { damagedStore, storeFailure } from './errors.ts';
import { transaction } from './transaction.ts';

/** `PRAGMA application_id` of a Chorale database since schema 4: CHOR. */
const APPLICATION_ID = 0x43484f52;

const FIRST_WITH_ID = 4;

/** Up to this size every page is looked at whenever the database is opened. */
const CHECKED_UP_TO_BYTES = 512 * 1024 * 1024;

/**
 * Of new databases. Least processor time a byte for updates of 590 KB (a quarter less than 4096), about the same for
 * those of 17 KB; larger pages leave too much of the last one empty.
 */
const PAGE_BYTES = 16_384;

/** Written to the WAL before it is moved into the database: larger saves little time and costs memory and disk. */
const CHECKPOINT_BYTES = 16 * 1024 * 1024;

/** The WAL grows to the largest transaction; what is over this is given back. */
const KEPT_WAL_BYTES = 4 * CHECKPOINT_BYTES;

/**
 * Opens a database for durable writes and brings its schema up to date.
 * WAL with `synchronous = FULL`: a transaction that returned survives a power cut, and readers in other processes
 * (`chorale export`, `chorale backup`) do not block the server.
 * A new file appears whole or not at all, so that a file without content is never taken for a new database: it is one that
 * lost what it had.
 * @param path a file, or ":memory:"
 * @throws {ChoraleError} STORE_DAMAGED when what is there is no whole Chorale database, or a newer release's; STORE_FULL;
 *   STORE_ERROR when it cannot be opened otherwise
 */
export function openDatabase(path: string, migrations: readonly string[] = MIGRATIONS): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    if (path !== ':memory:') {
      if (!existsSync(path)) createDatabase(path, migrations);
      checkFiles(path);
    }
    database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
    if (path === ':memory:') migrate(database, migrations);
    checkOwner(database, path, migrations.length); // before anything is written into the file of another program
    configure(database);
    checkPages(database, path);
    migrate(database, migrations);
    return database;
  } catch (error) {
    database?.close();
    throw storeFailure(`open ${path}`, path, error);
  }
}

/** Built beside its place, and put there when all of it is on the disk; one that is there by then stays. */
export function createDatabase(path: string, migrations: readonly string[]): void {
  for (const suffix of ['-wal', '-shm']) {
    // Looked for again: another process may have made it since
    if (existsSync(path + suffix) && !existsSync(path)) {
      throw damagedStore(path, `the file is gone, and its ${suffix} file is there`);
    }
  }
  const building = `${path}.new-${process.pid}`;
  try {
    rmSync(building, { force: true });
    const database = new DatabaseSync(building, { enableForeignKeyConstraints: true });
    try {
      database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL;`);
      migrate(database, migrations);
    } finally {
      database.close(); // moves all of it from the WAL into the file
    }
    syncPath(building);
    // Fails when another process was faster, and its file stays
    linkSync(building, path);
    syncPath(dirname(path));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(building + suffix, { force: true });
  }
}

function configure(database: DatabaseSync): void {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = ${Math.ceil(CHECKPOINT_BYTES / pragma(database, 'page_size'))};
    PRAGMA journal_size_limit = ${KEPT_WAL_BYTES};
  `);
}

/**
 * Refuses what SQLite would open without a word.
 * @throws {ChoraleError} STORE_DAMAGED
 */
export function checkFiles(path: string): void {
  const { size } = statSync(path);
  if (size === 0) throw damagedStore(path, 'the file is empty');
  // SQLite makes the -wal file first and removes it last. Where only the other one is left, somebody took it away, and
  // with it what was written last.
  const [wal, shm] = [`${path}-wal`, `${path}-shm`];
  // The last look: another process may have closed the database between the first two
  if (existsSync(shm) && !existsSync(wal) && existsSync(shm)) {
    throw damagedStore(path, 'its -wal file is gone, which had what was written last');
  }
  // With a -wal file a part of a page may be right: what was being moved stands there whole
  if (!existsSync(wal) && size % pageBytesOf(path) !== 0)
    throw damagedStore(path, 'the file ends within a page');
}

/** From the header; a file without one is left to SQLite. */
function pageBytesOf(path: string): number {
  const header = Buffer.alloc(100);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, header);
  } finally {
    closeSync(descriptor);
  }
  const bytes = header.readUInt16BE(16);
  const isDatabase = header.toString('latin1', 0, 15) === 'SQLite format 3' && bytes > 0;
  return isDatabase ? (bytes === 1 ? 65_536 : bytes) : 1;
}

function checkOwner(database: DatabaseSync, path: string, newest: number): void {
  const version = schemaVersion(database);
  if (version > newest) {
    throw new ChoraleError(
      'STORE_DAMAGED',
      `expected ${path} to have schema ${newest} or older, it has ${version}: a newer release of Chorale wrote it; run that release, or choose another data directory`,
    );
  }
  if (version === 0) throw damagedStore(path, 'this is no database of Chorale');
  if (version >= FIRST_WITH_ID && pragma(database, 'application_id') !== APPLICATION_ID) {
    throw damagedStore(path, 'another program wrote it');
  }
}

function checkPages(database: DatabaseSync, path: string): void {
  const bytes = pragma(database, 'page_size') * pragma(database, 'page_count');
  if (bytes > CHECKED_UP_TO_BYTES) return;
  const { quick_check: found } = database.prepare('PRAGMA quick_check(1)').get()!;
  if (found !== 'ok') throw damagedStore(path, `SQLite found: ${String(found)}`);
}

function migrate(database: DatabaseSync, migrations: readonly string[]): void {
  if (schemaVersion(database) >= migrations.length) return;
  // The version is read again inside the transaction: two processes that open the same file must not both migrate it.
  transaction(database, () => {
    const version = schemaVersion(database);
    for (const migration of migrations.slice(version)) database.exec(migration);
    if (version < migrations.length) database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

export function schemaVersion(database: DatabaseSync): number {
  return pragma(database, 'user_version');
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()![name]);
}

/** What was written to a file, or renamed in a folder, is on the disk when this returns. */
export function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
