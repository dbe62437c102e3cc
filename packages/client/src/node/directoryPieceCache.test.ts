import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { defaultModelCachePath, directoryPieceCache } from './directoryPieceCache.ts';

// The real files, of which a test may let some refuse
const files = vi.hoisted(() => ({
  beforeWrite: (): void => undefined,
  beforeUtimes: (): void => undefined,
}));
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof FileSystem>();
  return {
    ...real,
    writeFile: async (...write: Parameters<typeof real.writeFile>) => {
      files.beforeWrite();
      await real.writeFile(...write);
    },
    utimes: async (...marked: Parameters<typeof real.utimes>) => {
      files.beforeUtimes();
      await real.utimes(...marked);
    },
  };
});

let directory: string;
beforeEach(() => {
  files.beforeWrite = () => undefined;
  files.beforeUtimes = () => undefined;
  directory = join(mkdtempSync(join(tmpdir(), 'chorale-cache-')), 'models');
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

const PIECES = ['a', 'b', 'c'].map((digit) => ({ sha256: digit.repeat(64), sizeBytes: 1000 }));
const [first, second, third] = PIECES as [(typeof PIECES)[0], (typeof PIECES)[0], (typeof PIECES)[0]];
const open = async (inUse: typeof PIECES, limitBytes?: number) =>
  (await directoryPieceCache(directory, limitBytes)('http://ignored/', inUse))!;

test('gives back what was put, to whoever opens it later, and forgets what is removed', async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(1000));
  await (await open([first])).put(first, bytes);
  const cache = await open([]);
  expect(new Uint8Array((await cache.get(first))!)).toEqual(bytes);
  expect(await cache.get(second)).toBeNull();
  await cache.remove(first);
  expect(await cache.get(first)).toBeNull();
});

test('evicts the least recently used pieces of other models, and old drafts', async () => {
  const cache = await open(PIECES);
  for (const piece of PIECES) await cache.put(piece, new Uint8Array(1000));
  const longAgo = new Date(Date.now() - 10 * 3_600_000);
  for (const piece of PIECES) utimesSync(join(directory, piece.sha256), longAgo, longAgo);
  await cache.get(second); // used now
  expect(statSync(join(directory, second.sha256)).mtimeMs).toBeGreaterThan(longAgo.getTime());
  writeFileSync(join(directory, `${first.sha256}.1.draft`), 'left by a process that was killed');
  utimesSync(join(directory, `${first.sha256}.1.draft`), longAgo, longAgo);
  writeFileSync(join(directory, `${first.sha256}.2.draft`), 'being written');

  await (await open([third], 2000)).evict();
  expect(readdirSync(directory)).toEqual([`${first.sha256}.2.draft`, second.sha256, third.sha256]);
  // Used now, maybe by another process that loads its model
  await (await open([third], 0)).evict();
  expect(readdirSync(directory)).toEqual([`${first.sha256}.2.draft`, second.sha256, third.sha256]);
  utimesSync(join(directory, second.sha256), longAgo, longAgo);
  await (await open([third], 0)).evict();
  expect(readdirSync(directory)).toEqual([`${first.sha256}.2.draft`, third.sha256]);
});

function refuseWith(code: string): never {
  throw Object.assign(new Error(`${code}: refused`), { code });
}

test('gives what it can read and not mark: a folder of somebody else', async () => {
  const cache = await open([first]);
  await cache.put(first, new Uint8Array(1000));
  files.beforeUtimes = () => refuseWith('EPERM');
  expect(await cache.get(first)).toHaveLength(1000);
});

test.each(['ENOSPC', 'EDQUOT'])(
  'on a full disk (%s) makes as much room among other models as a piece needs',
  async (code) => {
    const cache = await open([third]);
    for (const [i, piece] of [second, first].entries()) {
      await cache.put(piece, new Uint8Array(1000));
      const longAgo = new Date(Date.now() - (10 - i) * 3_600_000);
      utimesSync(join(directory, piece.sha256), longAgo, longAgo);
    }
    files.beforeWrite = () => {
      if (readdirSync(directory).length > 1) refuseWith(code);
    };
    await cache.put(third, new Uint8Array(1000));
    expect(readdirSync(directory)).toEqual([first.sha256, third.sha256]);
  },
);

test('keeps nothing more, and nothing half, when there is no room even so', async () => {
  const cache = await open([third]);
  await cache.put(first, new Uint8Array(1000)); // used now
  files.beforeWrite = () => refuseWith('ENOSPC');
  await expect(cache.put(third, new Uint8Array(1000))).rejects.toMatchObject({ code: 'ENOSPC' });
  files.beforeWrite = () => refuseWith('EACCES');
  await expect(cache.put(third, new Uint8Array(1000))).rejects.toMatchObject({ code: 'EACCES' });
  expect(readdirSync(directory)).toEqual([first.sha256]);
});

test('the default lies in the home of its person', () => {
  expect(defaultModelCachePath()).toBe(join(homedir(), '.chorale/models'));
});
