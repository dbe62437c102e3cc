import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultModelCachePath, directoryPieceCache } from './directoryPieceCache.ts';

let directory: string;
beforeEach(() => {
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
  await (await open([third], 0)).evict();
  expect(readdirSync(directory)).toEqual([`${first.sha256}.2.draft`, third.sha256]);
});

test('the default lies in the home of its person', () => {
  expect(defaultModelCachePath()).toBe(join(homedir(), '.chorale/models'));
});
