import { afterEach, beforeEach, expect, test } from 'vitest';
import { modelPiecePath } from '@chorale/protocol';
import { MODEL_CACHE_NAME, openBrowserPieceCache } from './browserPieceCache.ts';

const SERVER = location.origin;
const PIECES = ['a', 'b', 'c'].map((digit) => ({ sha256: digit.repeat(64), sizeBytes: 1000 }));
const [first, second, third] = PIECES as [(typeof PIECES)[0], (typeof PIECES)[0], (typeof PIECES)[0]];

beforeEach(async () => void (await caches.delete(MODEL_CACHE_NAME)));
afterEach(async () => void (await caches.delete(MODEL_CACHE_NAME)));

const open = async (inUse: typeof PIECES, limitBytes?: number) =>
  (await openBrowserPieceCache(SERVER, inUse, limitBytes))!;

async function addresses(): Promise<string[]> {
  const keys = await (await caches.open(MODEL_CACHE_NAME)).keys();
  return keys.map(({ url }) => url.replace(SERVER, '')).toSorted();
}

test('gives back what was put, to whoever opens it later, under the address it came from', async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(1000));
  await (await open([first])).put(first, bytes);
  expect(await addresses()).toEqual([modelPiecePath(first), `${modelPiecePath(first)}?used`]);
  const cache = await open([]);
  expect(await cache.get(first)).toEqual(bytes);
  expect(await cache.get(second)).toBeNull();
  await cache.remove(first);
  expect(await cache.get(first)).toBeNull();
  expect(await addresses()).toEqual([]);
});

/** Lets a piece have been used so many minutes ago. */
async function useAgo(piece: (typeof PIECES)[0], minutes: number): Promise<void> {
  const used = new Response(String(Date.now() - 60_000 * minutes));
  await (await caches.open(MODEL_CACHE_NAME)).put(`${modelPiecePath(piece)}?used`, used);
}

const withMarks = (...pieces: typeof PIECES) =>
  pieces.flatMap((piece) => [modelPiecePath(piece), `${modelPiecePath(piece)}?used`]);

test('evicts the least recently used pieces of other models, and what it noted of them', async () => {
  const cache = await open(PIECES);
  for (const [i, piece] of PIECES.entries()) {
    await cache.put(piece, new Uint8Array(1000));
    await useAgo(piece, 60 - i);
  }
  await cache.get(first); // used last now, `second` longest ago
  await (await open([], 2000)).evict();
  expect(await addresses()).toEqual(withMarks(first, third));
  // `first` may belong to a model that another tab is loading
  await (await open([], 0)).evict();
  expect(await addresses()).toEqual(withMarks(first));
  await useAgo(first, 60);
  await (await open([first], 0)).evict();
  expect(await addresses()).toEqual(withMarks(first));
  await (await open([], 0)).evict();
  expect(await addresses()).toEqual([]);
});

/** As a browser whose quota takes so many pieces, and their marks. */
async function withQuota(most: number, act: () => Promise<void>): Promise<void> {
  const real = Cache.prototype.put;
  Cache.prototype.put = async function put(request, response) {
    const kept = (await this.keys()).filter(({ url }) => !url.endsWith('?used'));
    const address = request instanceof Request ? request.url : request.toString();
    if (kept.length >= most && !address.endsWith('?used'))
      throw new DOMException('full', 'QuotaExceededError');
    await real.call(this, request, response);
  };
  try {
    await act();
  } finally {
    Cache.prototype.put = real;
  }
}

test('makes as much room among other models as a piece needs when a browser gives no more', async () => {
  const cache = await open([third]);
  await cache.put(first, new Uint8Array(1000));
  await cache.put(second, new Uint8Array(1000));
  await useAgo(first, 60);
  await useAgo(second, 61);
  await withQuota(2, () => cache.put(third, new Uint8Array(1000)));
  expect(await addresses()).toEqual(withMarks(first, third));
});

test('keeps what other tabs may be loading, and no mark of a piece for which there is no room', async () => {
  const cache = await open([third]);
  await cache.put(first, new Uint8Array(1000));
  await cache.put(second, new Uint8Array(1000));
  await withQuota(2, async () => {
    await expect(cache.put(third, new Uint8Array(1000))).rejects.toMatchObject({
      name: 'QuotaExceededError',
    });
  });
  expect(await addresses()).toEqual(withMarks(first, second));
});

test('gives what it has also where no mark can be written', async () => {
  const cache = await open([first]);
  await cache.put(first, new Uint8Array(1000));
  const real = Cache.prototype.put;
  Cache.prototype.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
  try {
    expect(await cache.get(first)).toHaveLength(1000);
  } finally {
    Cache.prototype.put = real;
  }
});

test('is not there where a browser gives no storage', async () => {
  const real = Object.getOwnPropertyDescriptor(globalThis, 'caches')!;
  Object.defineProperty(globalThis, 'caches', {
    configurable: true,
    value: { open: () => Promise.reject(new DOMException('no storage', 'SecurityError')) },
  });
  try {
    expect(await openBrowserPieceCache(SERVER, PIECES)).toBeNull();
  } finally {
    Object.defineProperty(globalThis, 'caches', real);
  }
});
