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

test('evicts the least recently used pieces of other models, and what it noted of them', async () => {
  const cache = await open(PIECES);
  for (const piece of PIECES) {
    await cache.put(piece, new Uint8Array(1000));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await cache.get(first); // used last now, `second` longest ago
  await (await open([], 2000)).evict();
  expect(await addresses()).toEqual(
    [first, third].flatMap((piece) => [modelPiecePath(piece), `${modelPiecePath(piece)}?used`]),
  );
  await (await open([third], 0)).evict();
  expect(await addresses()).toEqual([modelPiecePath(third), `${modelPiecePath(third)}?used`]);
});

test('makes room among other models when a browser gives no more', async () => {
  const cache = await open([third]);
  await cache.put(first, new Uint8Array(1000));
  await cache.put(second, new Uint8Array(1000));
  // As a browser whose quota takes no third piece
  const real = Cache.prototype.put;
  Cache.prototype.put = async function put(request, response) {
    const kept = (await this.keys()).filter(({ url }) => !url.endsWith('?used'));
    const address = request instanceof Request ? request.url : request.toString();
    if (kept.length > 1 && !address.endsWith('?used')) throw new DOMException('full', 'QuotaExceededError');
    await real.call(this, request, response);
  };
  try {
    await cache.put(third, new Uint8Array(1000));
  } finally {
    Cache.prototype.put = real;
  }
  expect(await addresses()).toEqual([modelPiecePath(third), `${modelPiecePath(third)}?used`]);
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
