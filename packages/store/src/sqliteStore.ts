import { basename } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { ChoraleError } from '@chorale/protocol';
import { openAccess } from './sqlite/access.ts';
import { adapterMethods } from './sqlite/adapters.ts';
import { adminMethods } from './sqlite/admin.ts';
import { backupDatabase } from './sqlite/backup.ts';
import { contributorMethods } from './sqlite/contributors.ts';
import { openDatabase } from './sqlite/database.ts';
import { inviteMethods } from './sqlite/invites.ts';
import { runMethods } from './sqlite/runs.ts';
import { updateMethods } from './sqlite/updates.ts';
import type { Store } from './store.ts';

/**
 * Opens the store of a data directory in one SQLite file (`node:sqlite`), creating it when nothing of it is there.
 * @param path the file; ":memory:" keeps everything in this process
 * @throws {ChoraleError} STORE_DAMAGED, also when a newer release wrote the file; STORE_FULL; STORE_ERROR
 */
export function openSqliteStore(path: string): Store {
  return storeOn(openDatabase(path), path);
}

/** @param database opened by `openDatabase(path)`; closed with the store */
export function storeOn(database: DatabaseSync, path: string): Store {
  const access = openAccess(database, basename(path));
  const probe = database.prepare('INSERT INTO probe (bytes) VALUES (zeroblob(1))');
  const unprobe = database.prepare('DELETE FROM probe');

  return {
    ...runMethods(access),
    ...contributorMethods(access),
    ...updateMethods(access),
    ...adapterMethods(access),
    ...inviteMethods(access),
    ...adminMethods(access),

    checkWritable() {
      // Committed, though nothing is left of it: only that writes the page to the disk
      access.write('write', () => {
        probe.run();
        unprobe.run();
      });
    },
    backup: async (target) => {
      if (path === ':memory:')
        throw new ChoraleError('STORE_ERROR', 'expected a store in a file, this one is in memory');
      access.read('copy the store', () => database.prepare('SELECT 1')); // refuses when it was closed
      await backupDatabase(path, target);
    },
    close: () => access.read('close the store', () => database.close()),
  };
}
