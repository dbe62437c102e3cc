import type { ModelPiece } from '@chorale/protocol';

/** All kept pieces together, over which those of other models go. */
export const CACHE_LIMIT_BYTES = 2 * 1024 ** 3;

/**
 * Keeps pieces of models from one visit to the next, for one model in use. What comes out of it is not checked. None of
 * its methods has to succeed: a model loads without it too, only over the network.
 */
export type PieceCache = {
  /** null when it does not have the piece. */
  get(piece: ModelPiece): Promise<Uint8Array | null>;
  /**
   * Makes room by forgetting other models, least recently used first and no more than it needs, when there is none.
   * Rejects when there is none even so.
   */
  put(piece: ModelPiece, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  remove(piece: ModelPiece): Promise<void>;
  /** Forgets pieces of other models, least recently used first, until all together are within the limit. */
  evict(): Promise<void>;
};

/**
 * Opens the cache of this device.
 * @param inUse the pieces of the model in use, which are never evicted
 * @returns null where nothing can be kept (a private window)
 */
export type OpenPieceCache = (serverUrl: string, inUse: readonly ModelPiece[]) => Promise<PieceCache | null>;

export type KeptPiece = { sha256: string; sizeBytes: number; usedAtMs: number };

/** What was used since then may belong to a model that another tab or process is loading. */
export const RECENTLY_USED_MS = 15 * 60_000;

/**
 * The pieces that have to go, least recently used first, until all are within the limit; never one in use or one that was
 * used a short time ago, even if that leaves more than the limit.
 */
export function piecesToEvict(
  kept: readonly KeptPiece[],
  inUse: ReadonlySet<string>,
  { limitBytes, nowMs }: { limitBytes: number; nowMs: number },
): KeptPiece[] {
  let total = bytesOf(kept);
  const evicted: KeptPiece[] = [];
  for (const piece of kept.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
    if (total <= limitBytes) break;
    if (inUse.has(piece.sha256) || nowMs - piece.usedAtMs < RECENTLY_USED_MS) continue;
    evicted.push(piece);
    total -= piece.sizeBytes;
  }
  return evicted;
}

/**
 * Writes a piece; where it finds no room, forgets as many bytes of other models as the piece has, again and again, since
 * what is forgotten does not always become free at once.
 * @throws whatever `write` throws when the reason is another one, or nothing is left to forget
 */
export async function writeMakingRoom(
  piece: ModelPiece,
  cache: {
    write(): Promise<void>;
    isFull(error: unknown): boolean;
    kept(): Promise<KeptPiece[]>;
    inUse: ReadonlySet<string>;
    remove(piece: KeptPiece): Promise<void>;
  },
): Promise<void> {
  for (;;) {
    try {
      return await cache.write();
    } catch (error) {
      if (!cache.isFull(error)) throw error;
      const kept = await cache.kept();
      const limitBytes = bytesOf(kept) - piece.sizeBytes;
      const evicted = piecesToEvict(kept, cache.inUse, { limitBytes, nowMs: Date.now() });
      if (evicted.length === 0) throw error;
      for (const one of evicted) await cache.remove(one);
    }
  }
}

function bytesOf(kept: readonly KeptPiece[]): number {
  return kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
