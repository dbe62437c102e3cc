import type { ModelPiece } from '@chorale/protocol';
import { modelPiecePath } from '@chorale/protocol';
import type { KeptPiece, PieceCache } from './pieceCache.ts';
import { CACHE_LIMIT_BYTES, piecesToEvict, writeMakingRoom } from './pieceCache.ts';

export const MODEL_CACHE_NAME = 'chorale-models';

/**
 * Keeps pieces in the Cache API under the address they come from. When each was used last stands in a small entry of
 * its own beside it: an entry cannot be changed without writing all its bytes again.
 */
export async function openBrowserPieceCache(
  serverUrl: string,
  inUse: readonly ModelPiece[],
  limitBytes = CACHE_LIMIT_BYTES,
): Promise<PieceCache | null> {
  let cache: Cache;
  try {
    cache = await caches.open(MODEL_CACHE_NAME);
  } catch {
    return null; // a private window of some browsers, or storage switched off
  }
  const inUseHashes = new Set(inUse.map(({ sha256 }) => sha256));
  const addressOf = (piece: Pick<ModelPiece, 'sha256'>): string =>
    new URL(modelPiecePath(piece), serverUrl).href;
  const usedAddressOf = (piece: Pick<ModelPiece, 'sha256'>): string => `${addressOf(piece)}${USED}`;

  const markUsed = (piece: ModelPiece): Promise<void> =>
    cache.put(usedAddressOf(piece), new Response(String(Date.now())));

  async function remove(piece: Pick<ModelPiece, 'sha256'>): Promise<void> {
    await cache.delete(addressOf(piece));
    await cache.delete(usedAddressOf(piece));
  }

  async function kept(): Promise<KeptPiece[]> {
    const requests = await cache.keys();
    const addresses = requests.map(({ url }) => url).filter((url) => !url.endsWith(USED));
    return await Promise.all(
      addresses.map(async (url) => {
        const [entry, used] = await Promise.all([cache.match(url), cache.match(`${url}${USED}`)]);
        return {
          sha256: url.slice(url.lastIndexOf('/') + 1),
          sizeBytes: Number(entry?.headers.get('content-length') ?? 0),
          usedAtMs: Number((await used?.text()) ?? 0),
        };
      }),
    );
  }

  return {
    async get(piece) {
      const entry = await cache.match(addressOf(piece));
      if (!entry) return null;
      const bytes = new Uint8Array(await entry.arrayBuffer());
      // A full device does not take the mark
      await markUsed(piece).catch(() => undefined);
      return bytes;
    },
    async put(piece, bytes) {
      const write = async (): Promise<void> => {
        // Before the piece itself: without it a piece that is being written counts as the oldest of all
        await markUsed(piece);
        await cache.put(addressOf(piece), responseOf(bytes));
      };
      try {
        await writeMakingRoom(piece, { write, isFull, kept, inUse: inUseHashes, remove });
      } catch (error) {
        // Unless another tab has written it meanwhile
        if (!(await cache.match(addressOf(piece)))) await cache.delete(usedAddressOf(piece));
        throw error;
      }
    },
    remove,
    async evict() {
      const options = { limitBytes, nowMs: Date.now() };
      for (const piece of piecesToEvict(await kept(), inUseHashes, options)) await remove(piece);
    },
  };
}

const USED = '?used';

function isFull(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}

function responseOf(bytes: Uint8Array<ArrayBuffer>): Response {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(bytes.byteLength) };
  return new Response(bytes, { headers });
}
