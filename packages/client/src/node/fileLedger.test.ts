import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import type { LedgerEntry } from '../ledger.ts';
import { defaultLedgerPath, holdRunInFile, openFileLedger } from './fileLedger.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-ledger-'));
  path = join(directory, 'a/folder/ledger.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const EVENT: DpEvent = {
  type: 'self-composed',
  event: {
    type: 'poisson-sampled-gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    samplingRate: 0.1,
    noiseMultiplier: 1.25,
  },
  count: 4,
};
const entryOf = (round: number, changes: Partial<LedgerEntry> = {}): LedgerEntry => ({
  round,
  event: EVENT,
  payload: Uint8Array.of(round % 256, 2, 3),
  outcome: 'pending',
  ...changes,
});
const IDENTITY = { contributorId: 'contributor1', token: 't'.repeat(20), planHash: 'a'.repeat(64) };
const LIMITS = { epsilonLimit: 2.5, leastNoiseMultiplier: null, mostRounds: 7 };
const refused = { name: 'ChoraleError', code: 'LEDGER_UNAVAILABLE' };

function edit(sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

test('a new run has nothing, in a file that only its owner reads', async () => {
  const ledger = openFileLedger(path, 'run-1');
  expect([await ledger.identity(), await ledger.limits()]).toEqual([null, null]);
  expect(await ledger.entries()).toEqual([]);
  expect(await ledger.otherRuns()).toEqual([]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(directory, 'a/folder')).mode & 0o777).toBe(0o700);
});

test('everything is there for the next process, bytes and all', async () => {
  const first = openFileLedger(path, 'run-1');
  await first.saveIdentity(IDENTITY);
  await first.saveLimits({ ...LIMITS, mostRounds: 1 });
  await first.saveLimits(LIMITS);
  for (const round of [10, 2, 100_000, 1]) await first.add(entryOf(round));
  await first.settle(entryOf(2, { payload: null, outcome: 'accepted' }));

  const second = openFileLedger(path, 'run-1');
  expect(await second.identity()).toEqual(IDENTITY);
  expect(await second.limits()).toEqual(LIMITS);
  expect(await second.entries()).toEqual([
    entryOf(1),
    entryOf(2, { payload: null, outcome: 'accepted' }),
    entryOf(10),
    entryOf(100_000),
  ]);
});

test('a write that returned survives a process that is killed', async () => {
  const program = `
    const { openFileLedger } = await import(${JSON.stringify(new URL('./fileLedger.ts', import.meta.url).href)});
    const ledger = openFileLedger(${JSON.stringify(path)}, 'run-1');
    await ledger.add(${JSON.stringify({ ...entryOf(1), payload: null })});
    process.kill(process.pid, 'SIGKILL');
  `;
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
    stdio: 'inherit',
  });
  const signal = await new Promise((resolve) => child.once('exit', (_code, by) => resolve(by)));
  expect(signal).toBe('SIGKILL');
  expect(await openFileLedger(path, 'run-1').entries()).toEqual([entryOf(1, { payload: null })]);
}, 20_000);

test('a write that returned survives a power cut: the journal that could undo it is gone for good by then', () => {
  const run = vi.spyOn(DatabaseSync.prototype, 'exec');
  openFileLedger(path, 'run-1');
  const database = run.mock.contexts[0] as DatabaseSync;
  run.mockRestore();
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' });
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 3 }); // EXTRA
});

test('a second release of a round is refused, and the first one stays', async () => {
  const ledger = openFileLedger(path, 'run-1');
  await ledger.add(entryOf(1));
  await expect(ledger.add(entryOf(1, { payload: Uint8Array.of(9) }))).rejects.toMatchObject({
    ...refused,
    message: expect.stringMatching(/no entry of round 1/) as string,
  });
  expect(await openFileLedger(path, 'run-1').entries()).toEqual([entryOf(1)]);
});

test('runs share a file and do not mix; each sees what the others released', async () => {
  const [one, other] = [openFileLedger(path, 'run-1'), openFileLedger(path, 'run-1-b')];
  await one.add(entryOf(1));
  await other.add(entryOf(2, { event: { type: 'non-private' } }));
  await one.saveIdentity(IDENTITY);
  expect((await one.entries()).map(({ round }) => round)).toEqual([1]);
  expect((await other.entries()).map(({ round }) => round)).toEqual([2]);
  expect(await other.identity()).toBeNull();
  expect(await one.otherRuns()).toEqual([{ type: 'non-private' }]);
  expect(await other.otherRuns()).toEqual([EVENT]);
});

describe('LEDGER_UNAVAILABLE when', () => {
  test('an entry was changed to what cannot be read; in another run it counts as unprotected', async () => {
    await openFileLedger(path, 'run-1').add(entryOf(1));
    for (const sql of [
      `UPDATE entries SET event = '{"type":"none"}'`,
      `UPDATE entries SET event = 'no json'`,
      `UPDATE entries SET event = '${JSON.stringify(EVENT)}', outcome = 'refunded'`,
    ]) {
      edit(sql);
      await expect(openFileLedger(path, 'run-1').entries()).rejects.toMatchObject(refused);
      expect(await openFileLedger(path, 'run-2').otherRuns()).toEqual([{ type: 'non-private' }]);
    }
  });

  test('identity or limits cannot be read', async () => {
    const ledger = openFileLedger(path, 'run-1');
    await ledger.saveIdentity(IDENTITY);
    await ledger.saveLimits(LIMITS);
    edit(`UPDATE identities SET identity = '{}'; UPDATE limits SET limits = 'no json'`);
    await expect(ledger.identity()).rejects.toMatchObject(refused);
    await expect(ledger.limits()).rejects.toMatchObject(refused);
  });

  test('the file is no database, or the folder none, and says which file and what to do', () => {
    mkdirSync(join(directory, 'a/folder'), { recursive: true });
    writeFileSync(path, 'not a database, but long enough to have a header of its own'.repeat(20));
    expect(() => openFileLedger(path, 'run-1')).toThrow(/ledger\.sqlite cannot be used .* --ledger/);
    writeFileSync(join(directory, 'file'), '');
    expect(() => openFileLedger(join(directory, 'file/ledger.sqlite'), 'run-1')).toThrow(
      expect.objectContaining(refused) as Error,
    );
    expect(() => holdRunInFile(join(directory, 'file/ledger.sqlite'), 'run-1')).toThrow(
      expect.objectContaining(refused) as Error,
    );
  });

  test('a write is refused', async () => {
    const ledger = openFileLedger(path, 'run-1');
    edit('DROP TABLE entries');
    await expect(ledger.add(entryOf(1))).rejects.toMatchObject(refused);
  });
});

describe('holding a run', () => {
  test('keeps others out until it is freed, other runs not', () => {
    const release = holdRunInFile(path, 'run-1')!;
    expect(holdRunInFile(path, 'run-1')).toBeNull();
    holdRunInFile(path, 'run-2')!();
    release();
    const again = holdRunInFile(path, 'run-1');
    expect(again).not.toBeNull();
    again!();
  });

  test('keeps out who names the same file by a link, also before the file is there', () => {
    const link = join(directory, 'link.sqlite');
    symlinkSync(path, link);
    mkdirSync(join(directory, 'a/folder'), { recursive: true });
    const folder = join(directory, 'another');
    symlinkSync(join(directory, 'a'), folder);
    const release = holdRunInFile(link, 'run-1')!;
    expect(holdRunInFile(path, 'run-1')).toBeNull();
    expect(holdRunInFile(join(folder, 'folder/ledger.sqlite'), 'run-1')).toBeNull();
    openFileLedger(path, 'run-1');
    expect(holdRunInFile(link, 'run-1')).toBeNull();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    release();
    holdRunInFile(path, 'run-1')!();
  });

  test('keeps another process out, and ends with a process that is killed', async () => {
    const program = `
      const { holdRunInFile } = await import(${JSON.stringify(new URL('./fileLedger.ts', import.meta.url).href)});
      const said = holdRunInFile(${JSON.stringify(path)}, 'run-1') ? 'held' : 'busy';
      // Whoever holds a run for as long as the process lives need not keep what frees it
      setTimeout(() => {
        gc();
        console.log(said);
      }, 50);
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const said = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(String(data))));
      expect(said).toBe('held\n');
      expect(holdRunInFile(path, 'run-1')).toBeNull();
    } finally {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    holdRunInFile(path, 'run-1')!();
  }, 20_000);
});

test('the default lies in the home of its person', () => {
  expect(defaultLedgerPath()).toBe(join(homedir(), '.chorale/ledger.sqlite'));
});
