import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSqliteStore } from './sqliteStore.ts';
import type { Store } from './store.ts';
import { engine, record, storedRun, update } from './testing/storeRows.ts';

let directory: string;
let path: string;
let store: Store;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-space-'));
  path = join(directory, 'test.sqlite');
  store = openSqliteStore(path);
  store.createRun(storedRun('run-1'), Float64Array.of(1, 2, 3), record(0));
  for (let k = 0; k < 60; k += 1) {
    store.addContributor('run-1', { contributorId: nameOf(k), tokenHash: `h${k}`, backend: 'wasm' });
  }
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const nameOf = (k: number): string => `contributor${k}`;

function acceptRound(round: number, count: number, bytes: number): void {
  const updates = Array.from({ length: count }, (_, k) =>
    update(round, nameOf(k), new Uint8Array(bytes).fill(round)),
  );
  store.acceptUpdates('run-1', updates, null);
}

function closeRound(round: number, keepUpdates: boolean): void {
  const adapter = { adapterVersion: round, parameters: Float64Array.of(1, 2, 3), optimizerState: null };
  store.closeRound('run-1', adapter, record(round), engine(round), keepUpdates);
}

/** Bytes of the file after so many rounds, with all of the WAL in it. */
function sizeAfter(rounds: number, keepUpdates: boolean): number {
  const { adapterVersion } = store.latestAdapter('run-1');
  for (let round = adapterVersion + 1; round <= rounds; round += 1) {
    acceptRound(round, 20, 50_000);
    closeRound(round, keepUpdates);
  }
  store.close();
  const { size } = statSync(path);
  store = openSqliteStore(path);
  return size;
}

it('does not grow with rounds whose updates are not kept', () => {
  const after3 = sizeAfter(3, false);
  const after33 = sizeAfter(33, false);
  // 30 rounds brought 30 MB. What stays of an update is a row of some hundred bytes, in the table and its two indexes.
  expect(after33 - after3).toBeLessThan(600 * 600);
  const after36 = sizeAfter(36, true);
  expect(after36 - after33).toBeGreaterThan(1_900_000); // one round's worth of pages was free
  store.close();
});

it('cuts the -wal file after a large transaction', () => {
  acceptRound(1, 60, 1_200_000);
  const large = statSync(`${path}-wal`).size;
  expect(large).toBeGreaterThan(70_000_000);
  for (let round = 2; round < 4; round += 1) acceptRound(round, 1, 1000);
  expect(statSync(`${path}-wal`).size).toBeLessThanOrEqual(64 * 1024 * 1024);
  store.close();
});

/** Bytes in buffers that something still refers to. */
function heldBytes(collectGarbage: () => void): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

it('reads the updates of a round one after the other, in memory that does not grow', () => {
  acceptRound(1, 60, 590_000); // 35 MB
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const before = heldBytes(collectGarbage);
  let most = 0;
  let count = 0;
  for (const { bytes } of store.eachUpdate('run-1', 1)) {
    expect(bytes).toHaveLength(590_000);
    count += 1;
    if (count % 10 === 0) most = Math.max(most, heldBytes(collectGarbage) - before);
  }
  expect(count).toBe(60);
  // Of all 60 a few: buffers are given back some time after the collection that found them
  expect(most).toBeLessThan(15 * 590_000);
  store.close();
});
