import { chmodSync, closeSync, mkdirSync, openSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ChoraleError } from '@chorale/protocol';
import type { Ledger, LedgerEntry } from '../ledger.ts';
import { chargedAlready } from '../ledger.ts';
import { eventOfOther, parseEntry, parseIdentity, parseLimits } from '../ledgerSchema.ts';

/** Where a person's Node processes keep their ledger unless told otherwise. */
export function defaultLedgerPath(): string {
  return join(homedir(), '.chorale', 'ledger.sqlite');
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS identities (run_id TEXT PRIMARY KEY, identity TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS limits (run_id TEXT PRIMARY KEY, limits TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS entries (
    run_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    event TEXT NOT NULL,
    payload BLOB,
    outcome TEXT NOT NULL,
    PRIMARY KEY (run_id, round)
  ) STRICT, WITHOUT ROWID;
`;

/**
 * Opens the ledger of a run in an SQLite file, which all runs of one person share. A write that returned survives a
 * power cut.
 * @param path created with its folder when it is not there
 * @throws {ChoraleError} LEDGER_UNAVAILABLE
 */
export function openFileLedger(path: string, runId: string): Ledger {
  const database = attempt(path, () => openDatabase(path));
  const readOne = <T>(sql: string, parse: (value: unknown) => T): T | null => {
    const row = attempt(path, () => database.prepare(sql).get(runId));
    return row === undefined ? null : parse(jsonOf(row['value']));
  };
  const write = (sql: string, ...values: (string | number | Uint8Array | null)[]): void => {
    attempt(path, () => database.prepare(sql).run(...values));
  };
  return {
    identity: async () => readOne('SELECT identity AS value FROM identities WHERE run_id = ?', parseIdentity),
    saveIdentity: async (identity) =>
      write('INSERT OR REPLACE INTO identities VALUES (?, ?)', runId, JSON.stringify(identity)),
    limits: async () => readOne('SELECT limits AS value FROM limits WHERE run_id = ?', parseLimits),
    saveLimits: async (limits) =>
      write('INSERT OR REPLACE INTO limits VALUES (?, ?)', runId, JSON.stringify(limits)),
    entries: async () =>
      attempt(path, () =>
        database.prepare('SELECT * FROM entries WHERE run_id = ? ORDER BY round').all(runId),
      ).map((row) => parseEntry(entryOf(row))),
    add: async (entry) => {
      try {
        write(`INSERT ${ENTRY_VALUES}`, ...entryValues(runId, entry));
      } catch (error) {
        const { cause } = error as Error;
        throw errcodeOf(cause) === SQLITE_CONSTRAINT_PRIMARYKEY ? chargedAlready(entry.round, cause) : error;
      }
    },
    settle: async (entry) => write(`INSERT OR REPLACE ${ENTRY_VALUES}`, ...entryValues(runId, entry)),
    otherRuns: async () =>
      attempt(path, () => database.prepare('SELECT * FROM entries WHERE run_id <> ?').all(runId)).map((row) =>
        eventOfOther(entryOf(row)),
      ),
  };
}

/** An open database that nothing refers to is closed by the garbage collector, and what it locks is free then. */
const heldLocks = new Set<DatabaseSync>();

/**
 * Holds a run for this process: two would spend the same budget at once. The operating system frees it, however the
 * process ends.
 * @returns a function that frees the run, or null when another process has it
 * @throws {ChoraleError} LEDGER_UNAVAILABLE
 */
export function holdRunInFile(path: string, runId: string): (() => void) | null {
  const lock = attempt(path, () => new DatabaseSync(`${realPathOf(path)}.${runId}.lock`));
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (errcodeOf(error) === SQLITE_BUSY) return null;
    throw unavailable(path, error);
  }
  heldLocks.add(lock);
  return () => {
    heldLocks.delete(lock);
    lock.close();
  };
}

const SQLITE_BUSY = 5;
const SQLITE_CONSTRAINT_PRIMARYKEY = 1555;

function errcodeOf(error: unknown): unknown {
  return error instanceof Error && 'errcode' in error ? error.errcode : null;
}

/** One name for one file, by whatever links it was named; the file is there afterwards. */
function realPathOf(path: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  return realpathSync(path);
}

function openDatabase(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path, { timeout: 5_000 });
  // It holds the secret by which a server knows this contributor
  chmodSync(path, 0o600);
  // FULL is not enough without a write-ahead log: a journal that comes back after a power cut undoes the last write
  database.exec('PRAGMA synchronous = EXTRA;');
  database.exec(SCHEMA);
  return database;
}

const ENTRY_VALUES = 'INTO entries (run_id, round, event, payload, outcome) VALUES (?, ?, ?, ?, ?)';

function entryValues(runId: string, { round, event, payload, outcome }: LedgerEntry) {
  return [runId, round, JSON.stringify(event), payload, outcome] as const;
}

function entryOf(row: Record<string, unknown>): unknown {
  const { run_id: _, event, ...entry } = row;
  return { ...entry, event: jsonOf(event) };
}

/** What is no JSON stays as it is, for the schema to refuse. */
function jsonOf(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return text;
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw unavailable(path, cause);
  }
}

function unavailable(path: string, cause: unknown): ChoraleError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ChoraleError(
    'LEDGER_UNAVAILABLE',
    `The privacy ledger ${path} cannot be used (${why}). Free disk space, mend its permissions, or name another file with --ledger.`,
    { cause },
  );
}
