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
  /** Makes room by forgetting other models, least recently used first, when there is none. */
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

/** The pieces that have to go, least recently used first, until all are within the limit; never one in use. */
export function piecesToEvict(
  kept: readonly KeptPiece[],
  inUse: ReadonlySet<string>,
  limitBytes: number,
): KeptPiece[] {
  let total = kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const evicted: KeptPiece[] = [];
  for (const piece of kept.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
    if (total <= limitBytes) break;
    if (inUse.has(piece.sha256)) continue;
    evicted.push(piece);
    total -= piece.sizeBytes;
  }
  return evicted;
}
