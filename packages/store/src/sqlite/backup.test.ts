import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openMemoryStore } from '../memoryStore.ts';
import { openSqliteStore } from '../sqliteStore.ts';
import type { Store } from '../store.ts';
import { writeRelease } from '../testing/oldReleases.ts';
import { engine, record, storedRun, update } from '../testing/storeRows.ts';
import { backupDatabase } from './backup.ts';
import { schemaVersion } from './database.ts';

const FILL_STORE = fileURLToPath(new URL('../testing/fillStore.ts', import.meta.url));

let directory: string;
let path: string;
let target: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-backup-'));
  path = join(directory, 'test.sqlite');
  target = join(directory, 'copy.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const BYTES = 50_000;
const accept = (store: Store, round: number): void =>
  store.acceptUpdates('run-1', [update(round, 'alice000', new Uint8Array(BYTES).fill(round))], engine(round));

function filled(updates: number): Store {
  const store = openSqliteStore(path);
  store.createRun(storedRun('run-1'), Float64Array.of(1, 2, 3), record(0));
  store.addContributor('run-1', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
  for (let round = 1; round <= updates; round += 1) accept(store, round);
  return store;
}

/** Number of rounds in a copy, every part of which says the same. */
function roundsOf(copy: string): number {
  const store = openSqliteStore(copy);
  const rounds = store.chargedRounds('run-1', 'alice000');
  expect(rounds).toEqual(Array.from({ length: rounds.length }, (_, index) => index + 1));
  for (const round of rounds) expect([...store.eachUpdate('run-1', round)]).toHaveLength(1);
  expect(store.getRun('run-1')).toMatchObject(engine(rounds.length));
  store.close();
  return rounds.length;
}

it('has what was stored when it was asked for, though more is stored meanwhile', async () => {
  const store = filled(100);
  const copying = store.backup(target);
  let round = 100;
  const progress = { done: false };
  void copying.finally(() => (progress.done = true));
  while (!progress.done && round < 1000) {
    accept(store, (round += 1));
    await sleep(0);
  }
  await copying;
  expect(round).toBeGreaterThan(101);
  expect(readdirSync(directory).toSorted()).toEqual([
    'copy.sqlite',
    'test.sqlite',
    'test.sqlite-shm',
    'test.sqlite-wal',
  ]);
  expect(roundsOf(target)).toBe(100);
  accept(store, round + 1);
  store.close();
  expect(roundsOf(path)).toBe(round + 1);
});

it('is whole while another process writes without a pause', async () => {
  const child = spawn(process.execPath, [FILL_STORE, path, '100000'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const counts: number[] = [];
  try {
    await until(() => existsSync(path));
    const waiting = openSqliteStore(path);
    await until(() => waiting.chargedRounds('run-1', 'alice000').length > 0);
    waiting.close();
    for (let k = 0; k < 4; k += 1) {
      const copy = join(directory, `copy-${k}.sqlite`);
      await backupDatabase(path, copy);
      counts.push(roundsOf(copy));
    }
    expect(child.exitCode).toBeNull(); // it was still writing
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
  expect(counts).toEqual(counts.toSorted((one, other) => one - other));
  expect(counts.at(-1)).toBeGreaterThan(counts[0]!);
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(20);
}

it('does not bring the database of an older release up to date', async () => {
  writeRelease(path, 2);
  await backupDatabase(path, target);
  for (const file of [path, target]) {
    const database = new DatabaseSync(file, { readOnly: true });
    expect(schemaVersion(database)).toBe(2);
    database.close();
  }
  openSqliteStore(target).close();
});

it('refuses a target that is there, and leaves it', async () => {
  const store = filled(1);
  writeFileSync(target, 'precious');
  await expect(store.backup(target)).rejects.toMatchObject({ code: 'STORE_ERROR' });
  expect(readFileSync(target, 'utf8')).toBe('precious');
  store.close();
});

it('refuses what is damaged, and leaves nothing', async () => {
  filled(20).close();
  const whole = readFileSync(path);
  writeFileSync(path, Buffer.concat([whole.subarray(0, 32_768), Buffer.alloc(whole.length - 32_768, 7)]));
  await expect(backupDatabase(path, target)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  truncateSync(path, 0);
  await expect(backupDatabase(path, target)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  expect(readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual([]);
});

it('refuses a place that cannot be written, a source that is not there, and a store that is closed or in memory', async () => {
  const store = filled(1);
  const nowhere = join(directory, 'missing/copy.sqlite');
  await expect(store.backup(nowhere)).rejects.toMatchObject({ code: 'STORE_ERROR' });
  store.close();
  await expect(store.backup(target)).rejects.toMatchObject({ code: 'STORE_ERROR' });
  await expect(backupDatabase(join(directory, 'none'), target)).rejects.toMatchObject({
    code: 'STORE_ERROR',
  });
  await expect(openMemoryStore().backup(target)).rejects.toMatchObject({ code: 'STORE_ERROR' });
  const inMemory = openSqliteStore(':memory:');
  await expect(inMemory.backup(target)).rejects.toMatchObject({ code: 'STORE_ERROR' });
  inMemory.close();
});
