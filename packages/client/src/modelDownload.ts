import type { ModelFile, ModelPiece } from '@chorale/protocol';
import { ChoraleError, sha256Hex } from '@chorale/protocol';
import type { ModelFiles } from '@chorale/trainer';
import type { OpenPieceCache, PieceCache } from './pieceCache.ts';
import { fetchPiece } from './pieceFetch.ts';
import { Sha256 } from './sha256.ts';

export type ModelDownloadOptions = {
  serverUrl: string;
  files: readonly ModelFile[];
  openCache: OpenPieceCache;
  /** Called with bytes that are here, kept ones included; about a hundred times in all. */
  onProgress: (loadedBytes: number, totalBytes: number) => void;
  /** Before the second attempt at a piece; doubled with every further one. */
  retryDelayMs?: number;
};

/** More at once would only share the same connection. */
const PIECES_AT_ONCE = 3;

/** One piece, and each place of the model it belongs to. */
type PieceJob = { piece: ModelPiece; fileName: string; places: Uint8Array[] };

/**
 * Loads a run's model: pieces that this device has kept, the others from the run's server, each checked against the hash
 * of the plan. What arrives is kept at once, so that a later attempt goes on where this one ended.
 * @throws {ChoraleError} DISCONNECTED (cannot be fetched), MODEL_INVALID (other bytes than the plan names, twice; a file that
 *   its pieces are not)
 */
export async function downloadModel({
  serverUrl,
  files,
  openCache,
  onProgress,
  retryDelayMs = 500,
}: ModelDownloadOptions): Promise<ModelFiles> {
  const model: ModelFiles = new Map(files.map(({ name, sizeBytes }) => [name, roomFor(name, sizeBytes)]));
  const jobs = pieceJobs(files, model);
  const cache = await quietCache(
    openCache,
    serverUrl,
    jobs.map(({ piece }) => piece),
  );
  const progress = progressOver(files, onProgress);
  const givingUp = new AbortController();

  async function load({ piece, fileName, places }: PieceJob): Promise<void> {
    const fetchOptions = {
      fileName,
      signal: givingUp.signal,
      retryDelayMs,
      onBytes: (bytes: number) => progress(bytes * places.length),
    };
    const kept = await cache.get(piece);
    if (kept) progress(piece.sizeBytes * places.length);
    const bytes = kept ?? (await fetchPiece(serverUrl, piece, fetchOptions));
    for (const place of places) place.set(bytes);
    if (!kept) await cache.put(piece, bytes as Uint8Array<ArrayBuffer>);
  }

  const queue = jobs.values();
  const work = async (): Promise<void> => {
    for (const job of queue) {
      if (givingUp.signal.aborted) return;
      await load(job);
    }
  };
  const workers = Array.from({ length: PIECES_AT_ONCE }, work);
  try {
    await Promise.all(workers);
  } catch (error) {
    givingUp.abort();
    await Promise.allSettled(workers);
    throw error;
  }
  for (const file of files) await requireWhole(file, model.get(file.name)!);
  await cache.evict();
  return model;
}

/** Each piece is what the plan says, but the plan says of the file too what it is. */
async function requireWhole({ name, sha256, pieces }: ModelFile, bytes: Uint8Array): Promise<void> {
  if ((await hashOf(bytes, pieces)) === sha256) return;
  throw new ChoraleError(
    'MODEL_INVALID',
    `The plan of this run contradicts itself: the pieces it names of ${name} are not together the file it names. None of it is used. Tell the person who runs the run.`,
  );
}

/** Piece by piece, so that the worker hears meanwhile what it is told. */
async function hashOf(bytes: Uint8Array, pieces: readonly ModelPiece[]): Promise<string> {
  const [only, ...others] = pieces;
  if (only && others.length === 0) return only.sha256;
  const hash = new Sha256();
  let at = 0;
  for (const { sizeBytes } of pieces) {
    await new Promise((resolve) => setTimeout(resolve));
    hash.update(bytes.subarray(at, at + sizeBytes));
    at += sizeBytes;
  }
  return hash.digest();
}

/** Each piece once, also where a model holds the same bytes twice; in the order of the files. */
function pieceJobs(files: readonly ModelFile[], model: ModelFiles): PieceJob[] {
  const jobs = new Map<string, PieceJob>();
  for (const { name, pieces } of files) {
    let at = 0;
    for (const piece of pieces) {
      const place = model.get(name)!.subarray(at, at + piece.sizeBytes);
      at += piece.sizeBytes;
      const job = jobs.get(piece.sha256);
      if (job) job.places.push(place);
      else jobs.set(piece.sha256, { piece, fileName: name, places: [place] });
    }
  }
  return [...jobs.values()];
}

function roomFor(name: string, sizeBytes: number): Uint8Array {
  try {
    return new Uint8Array(sizeBytes);
  } catch (cause) {
    throw new ChoraleError(
      'DEVICE_UNSUPPORTED',
      `This device has no memory left for the model (${name} needs ${Math.ceil(sizeBytes / 1e6)} MB). Close other tabs and reload this page.`,
      { cause },
    );
  }
}

/**
 * The cache as loading needs it: what it gives has been checked, and it never fails. After the first piece that it could
 * not keep it is asked to keep no more: the device is full.
 */
async function quietCache(
  openCache: OpenPieceCache,
  serverUrl: string,
  inUse: readonly ModelPiece[],
): Promise<Pick<PieceCache, 'get' | 'put' | 'evict'>> {
  const cache = await openCache(serverUrl, inUse).catch(() => null);
  let full = false;
  return {
    async get(piece) {
      const bytes = (await cache?.get(piece).catch(() => null)) ?? null;
      if (bytes === null) return null;
      if (bytes.byteLength === piece.sizeBytes && (await sha256Hex(bytes)) === piece.sha256) return bytes;
      await cache?.remove(piece).catch(() => undefined);
      return null;
    },
    async put(piece, bytes) {
      if (full) return;
      await cache?.put(piece, bytes).catch(() => {
        full = true;
      });
    },
    async evict() {
      await cache?.evict().catch(() => undefined);
    },
  };
}

/** @returns to be called with the bytes that came since the last call; fewer than none when they have to come again */
function progressOver(
  files: readonly ModelFile[],
  onProgress: ModelDownloadOptions['onProgress'],
): (bytes: number) => void {
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let loadedBytes = 0;
  let shown = -1;
  return (bytes) => {
    loadedBytes += bytes;
    const percent = Math.floor((100 * loadedBytes) / totalBytes);
    if (percent === shown) return;
    shown = percent;
    onProgress(loadedBytes, totalBytes);
  };
}
