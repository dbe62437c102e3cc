import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, backup } from 'node:sqlite';
import { ChoraleError } from '@chorale/protocol';
import { checkFiles, syncPath } from './database.ts';
import { damagedStore, storeFailure } from './errors.ts';

/**
 * Copies a database, as it is at this moment, into a new file, while it is written to here or in other processes.
 * The source is not changed: an older release's is not migrated. The copy has been checked and is on the disk when this
 * resolves; there is no file of this name before.
 * @throws {ChoraleError} STORE_ERROR when the target is there already; STORE_DAMAGED when the copy is no whole database;
 *   STORE_FULL
 */
export async function backupDatabase(path: string, target: string): Promise<void> {
  if (!existsSync(path))
    throw new ChoraleError('STORE_ERROR', `expected a database at ${path}, there is none`);
  if (existsSync(target)) {
    throw new ChoraleError(
      'STORE_ERROR',
      `expected a new file for the copy, ${target} is there; choose another name`,
    );
  }
  checkFiles(path);
  const part = `${target}.part-${process.pid}`;
  try {
    await copySnapshot(path, part);
    checkCopy(part, path);
    syncPath(part);
    renameSync(part, target);
    syncPath(dirname(target));
  } catch (error) {
    throw storeFailure('copy the database', target, error);
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(part + suffix, { force: true });
  }
}

async function copySnapshot(path: string, target: string): Promise<void> {
  const source = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    // The transaction fixes the moment. Without it the copy starts again whenever another connection writes, which under
    // load is for ever.
    source.exec('BEGIN');
    source.prepare('SELECT count(*) FROM sqlite_schema').get(); // a transaction begins with its first read
    await backup(source, target, { rate: 256 });
    source.exec('COMMIT');
  } finally {
    source.close();
  }
}

function checkCopy(copy: string, path: string): void {
  // A file of its own, not one of three: what is copied further needs no -wal
  const database = new DatabaseSync(copy);
  try {
    database.exec('PRAGMA journal_mode = DELETE');
    const { integrity_check: found } = database.prepare('PRAGMA integrity_check(1)').get()!;
    if (found !== 'ok') throw damagedStore(path, `SQLite found in its copy: ${String(found)}`);
  } finally {
    database.close();
  }
}
