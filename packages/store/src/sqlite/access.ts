import type { DatabaseSync } from 'node:sqlite';
import type { EngineRow } from '../store.ts';
import { missing } from '../storeErrors.ts';
import { storeFailure } from './errors.ts';
import { transaction } from './transaction.ts';

export type Row = Record<string, unknown>;

/** What every part of the SQLite store works with. */
export type Access = {
  database: DatabaseSync;
  /** The database's name in messages. */
  file: string;
  /** Runs `work`; whatever fails in it is a ChoraleError then. @param what for its message: "could not ..." */
  read<T>(what: string, work: () => T): T;
  /** The same as one transaction. */
  write<T>(what: string, work: () => T): T;
  /** Within a `write`. */
  saveEngine(runId: string, engine: EngineRow): void;
};

export function openAccess(database: DatabaseSync, file: string): Access {
  const engine = database.prepare('UPDATE runs SET status = ?, engine_state = ? WHERE id = ?');
  const dropBytes = database.prepare(
    'DELETE FROM update_bytes WHERE update_id IN (SELECT id FROM updates WHERE run_id = ?)',
  );
  function read<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeFailure(what, file, error);
    }
  }
  return {
    database,
    file,
    read,
    write: (what, work) => read(what, () => transaction(database, work)),
    saveEngine(runId, { status, engineState, dropUpdates = false }) {
      changeOne(engine.run(status, engineState, runId), `run ${runId}`);
      if (dropUpdates) dropBytes.run(runId);
    },
  };
}

/** @throws {ChoraleError} STORE_ERROR unless exactly one row was changed */
export function changeOne(result: { changes: number | bigint }, what: string): void {
  if (Number(result.changes) !== 1) throw missing(what);
}

export function optional<T>(row: Row | undefined, read: (row: Row) => T): T | undefined {
  return row === undefined ? undefined : read(row);
}
