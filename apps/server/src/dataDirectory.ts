import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { openSqliteStore } from '@chorale/store';
import type { FileStore } from './fileStore.ts';
import { openFileStore } from './fileStore.ts';

export type DataDirectory = {
  store: Store;
  files: FileStore;
  /** Where models of a hub are downloaded to. */
  hubModelsPath: string;
  close(): void;
};

/**
 * Opens all a server keeps: `chorale.sqlite`, `files/`, `hub/`, and a lock that ends with the process however it ends.
 * @throws {ChoraleError} CONFIG_INVALID when another server has it open; STORE_DAMAGED when what is
 *   there is no whole database, or a newer release wrote it
 */
export function openDataDirectory(path: string): DataDirectory {
  mkdirSync(path, { recursive: true });
  const unlock = lock(path);
  try {
    const store = openStore(path);
    return {
      store,
      files: openFileStore(filesPathOf(path)),
      hubModelsPath: hubPathOf(path),
      close() {
        store.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Files of runs without a database: it was lost, and a new one would start from zero without a word. */
function openStore(path: string): Store {
  const [database, files] = [databasePathOf(path), filesPathOf(path)];
  if (!existsSync(database) && existsSync(files) && readdirSync(files).length > 0) {
    throw new ChoraleError(
      'STORE_DAMAGED',
      `expected a Chorale database at ${database}, there is none beside files of earlier runs; restore a backup (docs/operations.md), or choose another data directory`,
    );
  }
  return openSqliteStore(database);
}

/** What a program that only reads, beside a server or without one, opens of a data directory. */
export function databasePathOf(path: string): string {
  return join(path, 'chorale.sqlite');
}

export function filesPathOf(path: string): string {
  return join(path, 'files');
}

export function hubPathOf(path: string): string {
  return join(path, 'hub');
}

/** An open database that nothing refers to is closed by the garbage collector, and what it locks is free then. */
const heldLocks = new Set<DatabaseSync>();

/** Two servers on one directory would each run the rounds. SQLite's file lock is released even by `kill -9`. */
function lock(path: string): () => void {
  const database = new DatabaseSync(join(path, 'server.lock'));
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected no other server on the data directory ${path}; stop the other one, or choose another --data-dir`,
      { cause: error },
    );
  }
  heldLocks.add(database);
  return () => {
    heldLocks.delete(database);
    database.close();
  };
}
