import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { KeptPiece, OpenPieceCache } from '../pieceCache.ts';
import { CACHE_LIMIT_BYTES, piecesToEvict, writeMakingRoom } from '../pieceCache.ts';

/** Where a person's Node processes keep models unless told otherwise. */
export function defaultModelCachePath(): string {
  return join(homedir(), '.chorale', 'models');
}

/** Keeps each piece in a file named by its hash; when it was used last is the file's time. */
export function directoryPieceCache(directory: string, limitBytes = CACHE_LIMIT_BYTES): OpenPieceCache {
  const pathOf = ({ sha256 }: { sha256: string }): string => join(directory, sha256);

  return async (_serverUrl, inUse) => {
    const inUseHashes = new Set(inUse.map(({ sha256 }) => sha256));
    await mkdir(directory, { recursive: true });

    async function kept(): Promise<KeptPiece[]> {
      const names = await readdir(directory);
      const pieces = await Promise.all(
        names
          .filter((name) => HASH.test(name))
          .map(async (sha256) => {
            const found = await stat(pathOf({ sha256 })).catch(() => null);
            return found && { sha256, sizeBytes: found.size, usedAtMs: found.mtimeMs };
          }),
      );
      return pieces.filter((piece) => piece !== null);
    }

    const remove = ({ sha256 }: { sha256: string }): Promise<void> => rm(pathOf({ sha256 }), { force: true });

    return {
      async get(piece) {
        const bytes = await readFile(pathOf(piece)).catch(() => null);
        const now = new Date();
        // A folder of somebody else may be read and not marked
        if (bytes) await utimes(pathOf(piece), now, now).catch(() => undefined);
        return bytes;
      },
      put: (piece, bytes) =>
        writeMakingRoom(piece, {
          write: () => writeWhole(pathOf(piece), bytes),
          isFull,
          kept,
          inUse: inUseHashes,
          remove,
        }),
      remove,
      async evict() {
        const options = { limitBytes, nowMs: Date.now() };
        for (const piece of piecesToEvict(await kept(), inUseHashes, options)) await remove(piece);
        await removeOldDrafts(directory);
      },
    };
  };
}

/** Aside, and renamed: several processes may load the same model at once. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.${randomUUID()}.draft`;
  try {
    await writeFile(draft, bytes);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The disk, or what this person may use of it. */
function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

const HASH = /^[0-9a-f]{64}$/;
const DRAFT_LIFE_MS = 3_600_000;

/** Drafts of processes that were killed; one that is still being written is younger. */
async function removeOldDrafts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.endsWith('.draft')) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => null);
    if (found && Date.now() - found.mtimeMs > DRAFT_LIFE_MS) await rm(path, { force: true });
  }
}
