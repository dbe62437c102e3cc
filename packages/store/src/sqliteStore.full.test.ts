import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from './sqlite/database.ts';
import { openSqliteStore, storeOn } from './sqliteStore.ts';
import type { Store } from './store.ts';
import { expectCode } from './testing/storeConformance.ts';
import { engine, record, storedRun, update } from './testing/storeRows.ts';

const FILL_STORE = fileURLToPath(new URL('./testing/fillStore.ts', import.meta.url));

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-full-'));
  path = join(directory, 'test.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function fill(store: Store): void {
  store.createRun(storedRun('run-1'), Float64Array.of(1, 2, 3), record(0));
  store.addContributor('run-1', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
  store.addContributor('run-1', { contributorId: 'bob00000', tokenHash: 'h2', backend: 'wasm' });
}

const large = (round: number, contributorId = 'alice000', kilobytes = 50) =>
  update(round, contributorId, new Uint8Array(kilobytes * 1000).fill(round));

it('undoes all of what did not fit, and goes on when there is room', () => {
  const database = openDatabase(path);
  const store = storeOn(database, path);
  fill(store);
  const pages = Number(database.prepare('PRAGMA page_count').get()!['page_count']);
  database.exec(`PRAGMA max_page_count = ${pages + 8}`);
  store.acceptUpdates('run-1', [large(1)], engine(1));
  // The first of them fits, the second does not
  const both = [large(2), large(2, 'bob00000', 200)];
  expectCode('STORE_FULL', () => store.acceptUpdates('run-1', both, engine(2)));
  expectCode('STORE_FULL', () => store.acceptUpdates('run-1', both, null));
  const adapter = { adapterVersion: 1, parameters: new Float64Array(50_000), optimizerState: null };
  expectCode('STORE_FULL', () => store.closeRound('run-1', adapter, record(1), engine(3), true));
  expect(store.getRun('run-1')).toMatchObject(engine(1));
  expect(store.receivedContributors('run-1', 2)).toEqual([]);
  expect(store.chargedRounds('run-1', 'alice000')).toEqual([1]);
  expect([...store.eachUpdate('run-1', 1)]).toHaveLength(1);
  expect(store.listRecords('run-1')).toHaveLength(1);

  database.exec('PRAGMA max_page_count = 1000000');
  store.acceptUpdates('run-1', both, engine(2));
  store.closeRound('run-1', adapter, record(1), engine(3), true);
  expect(store.receivedContributors('run-1', 2)).toEqual(['alice000', 'bob00000']);
  expect(store.getRun('run-1')).toMatchObject(engine(3));
  store.close();
});

/** What a killed process told, against what is in its file. */
function expectWhatWasAcknowledged(accepted: number): Store {
  const store = openSqliteStore(path);
  expect(store.chargedRounds('run-1', 'alice000')).toHaveLength(accepted);
  for (let round = 1; round <= accepted; round += 1) {
    const [stored] = store.eachUpdate('run-1', round);
    expect(Buffer.compare(stored!.bytes, large(round).bytes)).toBe(0);
  }
  expect([...store.eachUpdate('run-1', accepted + 1)]).toEqual([]);
  expect(store.getRun('run-1')).toMatchObject(engine(accepted));
  return store;
}

it('says STORE_FULL at a limit on the size of files, and keeps what it acknowledged', () => {
  // 2048 blocks, of 512 or 1024 bytes as the shell has it
  const limited = `ulimit -f 2048; exec "${process.execPath}" "${FILL_STORE}" "${path}" 200`;
  const { stdout, signal, stderr } = spawnSync('sh', ['-c', limited], { encoding: 'utf8' });
  expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
  const { accepted, refusal } = JSON.parse(stdout) as {
    accepted: number;
    refusal: { code: string; message: string };
  };
  expect(refusal.code).toBe('STORE_FULL');
  expect(refusal.message).toMatch(/no room left for test\.sqlite .*make room/);
  expect(accepted).toBeGreaterThan(3);
  const store = expectWhatWasAcknowledged(accepted);
  store.acceptUpdates('run-1', [large(accepted + 1)], engine(accepted + 1));
  store.close();
});

/** A disk of 4 MB, where this user may mount one. */
function mountSmallDisk(): boolean {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory]);
  return status === 0;
}

it('says STORE_FULL on a full disk, for every kind of write, and goes on when something was deleted', (context) => {
  if (!mountSmallDisk()) {
    process.stderr.write('SKIPPED: a really full disk needs the right to mount one (root)\n');
    context.skip();
    return;
  }
  try {
    const store = openSqliteStore(path);
    fill(store);
    store.acceptUpdates('run-1', [large(1)], engine(1));
    store.checkWritable();
    const filler = join(directory, 'filler');
    expect(() => writeFileSync(filler, new Uint8Array(8_000_000))).toThrow(/ENOSPC/);
    expectCode('STORE_FULL', () => store.acceptUpdates('run-1', [large(2)], engine(2)));
    expectCode('STORE_FULL', () => store.checkWritable());
    expectCode('STORE_FULL', () => store.saveEngine('run-1', engine(2)));
    expect(store.getRun('run-1')).toMatchObject(engine(1));
    expect([...store.eachUpdate('run-1', 1)]).toHaveLength(1);
    rmSync(filler);
    store.checkWritable();
    store.acceptUpdates('run-1', [large(2)], engine(2));
    store.close();
    expectWhatWasAcknowledged(2).close();

    // No room for a new database: nothing is left of it
    rmSync(path);
    expect(() => writeFileSync(filler, new Uint8Array(8_000_000))).toThrow(/ENOSPC/);
    expectCode('STORE_FULL', () => openSqliteStore(path));
    expect(execFileSync('ls', [directory], { encoding: 'utf8' })).toBe('filler\n');
  } finally {
    spawnSync('umount', [directory]);
  }
});
