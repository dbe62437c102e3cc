import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { MIGRATIONS } from './migrations.ts';
import { openDatabase } from './sqlite/database.ts';
import { openSqliteStore } from './sqliteStore.ts';
import { expectCode } from './testing/storeConformance.ts';
import { engine, record, storedRun, update } from './testing/storeRows.ts';

const FILL_STORE = fileURLToPath(new URL('./testing/fillStore.ts', import.meta.url));
const UPDATES = 40;
const UPDATE_BYTES = 100_000;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-damage-'));
  path = join(directory, 'test.sqlite');
  const store = openSqliteStore(path);
  store.createRun(storedRun('run-1'), Float64Array.of(1, 2, 3), record(0));
  store.addContributor('run-1', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
  for (let round = 1; round <= UPDATES; round += 1) {
    const bytes = new Uint8Array(UPDATE_BYTES).fill(100 + round);
    store.acceptUpdates('run-1', [update(round, 'alice000', bytes)], engine(round));
  }
  store.close();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Opening is refused with these words, and leaves the file as it is. */
function expectRefusal(words: RegExp): void {
  const before = existsSync(path) ? readFileSync(path) : null;
  let refusal: unknown;
  try {
    openSqliteStore(path).close();
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(ChoraleError);
  const { code, message } = refusal as ChoraleError;
  expect(code).toBe('STORE_DAMAGED');
  expect(message).toMatch(words);
  expect(message).toContain(path);
  const after = existsSync(path) ? readFileSync(path) : null;
  expect(before === null ? after === null : after?.equals(before)).toBe(true);
}

function overwrite(start: number, bytes: Uint8Array): void {
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, bytes, 0, bytes.length, start);
  closeSync(descriptor);
}

const RESTORE = /restore a backup/;
const junk = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * 131 + 17) % 256);

it.each([1, 2, 5, 60])('refuses a database whose page %i was overwritten', (page) => {
  overwrite((page - 1) * 16_384, junk(16_384));
  expectRefusal(RESTORE);
});

it('refuses one whose pages are zeros from somewhere on', () => {
  overwrite(65_536, new Uint8Array(statSync(path).size - 65_536));
  expectRefusal(RESTORE);
});

it.each([0.5, 0.9])('refuses one that was cut to %d of its length', (part) => {
  truncateSync(path, Math.floor((statSync(path).size * part) / 16_384) * 16_384);
  expectRefusal(RESTORE);
});

it('refuses one that was cut within a page', () => {
  truncateSync(path, statSync(path).size - 100);
  expectRefusal(RESTORE);
});

it('refuses an empty file, and does not start anew in it', () => {
  truncateSync(path, 0);
  expectRefusal(/the file is empty.*restore a backup/);
});

it('refuses a file that is no database', () => {
  writeFileSync(path, 'not a database, but long enough to have a header of its own'.repeat(20));
  expectRefusal(/file is not a database.*restore a backup/);
  writeFileSync(path, 'short');
  expectRefusal(RESTORE);
});

it('refuses the database of another program', () => {
  rmSync(path);
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE one (a INTEGER)');
  other.close();
  expectRefusal(/no database of Chorale/);
  const named = new DatabaseSync(path);
  named.exec(`PRAGMA user_version = ${MIGRATIONS.length}; PRAGMA application_id = 5`);
  named.close();
  expectRefusal(/another program wrote it/);
});

it('refuses a newer schema and says what to do', () => {
  openDatabase(path, [...MIGRATIONS, 'CREATE TABLE future (a INTEGER)']).close();
  expectRefusal(/a newer release of Chorale wrote it; run that release/);
});

/** Files of a process that was killed: the newest updates stand in the -wal file only. */
function writeAndBeKilled(): void {
  rmSync(path);
  const { signal, stderr } = spawnSync(process.execPath, [FILL_STORE, path, '5'], { encoding: 'utf8' });
  expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(250_000);
}

it('has all that a killed process stored', () => {
  writeAndBeKilled();
  const store = openSqliteStore(path);
  expect(store.chargedRounds('run-1', 'alice000')).toEqual([1, 2, 3, 4, 5]);
  store.close();
});

it('refuses a database whose -wal file was taken away', () => {
  writeAndBeKilled();
  rmSync(`${path}-wal`);
  expectRefusal(/its -wal file is gone/);
});

it('refuses to start anew where the -wal file of a database is left', () => {
  writeAndBeKilled();
  rmSync(path);
  expectRefusal(/the file is gone, and its -wal file is there/);
});

it('sees a changed bit within an update', () => {
  const at = readFileSync(path).indexOf(new Uint8Array(12_000).fill(103)); // of round 3
  overwrite(at + 500, Uint8Array.of(102));
  const store = openSqliteStore(path);
  expect([...store.eachUpdate('run-1', 2)]).toHaveLength(1);
  expectCode('STORE_DAMAGED', () => [...store.eachUpdate('run-1', 3)]);
  expect(() => [...store.eachUpdate('run-1', 3)]).toThrow(/update of alice000 for round 3.*restore a backup/);
  store.close();
});

it('says so when it reads what was damaged since it was opened', () => {
  const store = openSqliteStore(path);
  overwrite(16_384, junk(statSync(path).size - 16_384));
  const reads = Array.from({ length: UPDATES }, (_, index) => () => [
    ...store.eachUpdate('run-1', index + 1),
  ]);
  expectCode('STORE_DAMAGED', () => reads.map((read) => read()));
  store.close();
});

it('says so when a value is none that it wrote', () => {
  const database = openDatabase(path);
  database.exec("UPDATE records SET record = '{' WHERE round = 0; UPDATE runs SET plan = ''");
  database.close();
  const store = openSqliteStore(path);
  expectCode('STORE_DAMAGED', () => store.listRecords('run-1'));
  expectCode('STORE_DAMAGED', () => store.getRun('run-1'));
  expect(() => store.listRuns()).toThrow(
    /database at test\.sqlite, could not list the runs: a value is no JSON/,
  );
  store.close();
});
