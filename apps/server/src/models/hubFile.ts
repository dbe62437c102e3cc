import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { ChoraleError } from '@chorale/protocol';
import type { Hub } from './hub.ts';
import type { HubResponse } from './hubRequest.ts';
import { HubInterruption, RANGE_NOT_SATISFIABLE, askHub, untilDone } from './hubRequest.ts';

/** One file of a commit, as the hub describes it: large ones by their SHA-256, small ones by git's blob hash. */
export type HubFile = {
  name: string;
  sizeBytes: number;
  hash: { algorithm: 'sha256' | 'git-sha1'; hex: string };
};

/**
 * Downloads a file, in as many attempts as it takes, and checks its size and hash. What an earlier attempt or process
 * left (`PATH.partial`) is gone on with. Under its own name a file is complete and right.
 * @param from   path of the file on the hub
 * @param onBytes called with the number of bytes that came; with fewer than none when they have to come again
 * @throws {ChoraleError} HUB_REFUSED, HUB_UNREACHABLE, MODEL_INVALID (other bytes than the hub names, twice), STORE_ERROR
 */
export async function downloadHubFile(
  hub: Hub,
  {
    from,
    file,
    path,
    onBytes,
  }: { from: string; file: HubFile; path: string; onBytes: (bytes: number) => void },
): Promise<void> {
  const partial = partialPathOf(path);
  const download = new PartialFile(partial, file, onBytes);
  let wrong = 0;
  const attempt = async (): Promise<void> => {
    await fetchRest(hub, from, download);
    if (download.sizeBytes === file.sizeBytes && (await fileHash(partial, file)) === file.hash.hex) return;
    const cameBytes = download.sizeBytes;
    download.startAnew();
    wrong += 1;
    const message = `expected ${file.name} with ${file.sizeBytes} bytes and ${file.hash.algorithm} ${file.hash.hex}, as ${hub.endpoint} describes it; ${cameBytes} bytes came and are other ones`;
    if (wrong === 1) throw new HubInterruption(message, { waitMs: 0 });
    throw new ChoraleError(
      'MODEL_INVALID',
      `${message}, twice. Nothing was kept of it. Look for a proxy or mirror on the way (HF_ENDPOINT), or name another revision.`,
    );
  };
  await untilDone(hub, attempt, { progress: () => download.sizeBytes });
  download.finish(path);
}

/** Whether a file is there, with the size and the bytes that the hub names. */
export async function isComplete(path: string, file: HubFile): Promise<boolean> {
  return (
    sizeOf(path) === file.sizeBytes && existsSync(path) && (await fileHash(path, file)) === file.hash.hex
  );
}

/** How much of a file an earlier attempt left. */
export function downloadedBytesOf(path: string): number {
  return sizeOf(partialPathOf(path));
}

function partialPathOf(path: string): string {
  return `${path}.partial`;
}

/** Adds to a partial file what is missing of it, or starts it anew when the hub cannot go on with it. */
async function fetchRest(hub: Hub, from: string, download: PartialFile): Promise<void> {
  const { file } = download;
  const start = download.sizeBytes;
  if (file.sizeBytes === 0) return await download.create();
  if (start === file.sizeBytes) return;
  const { etag } = download;
  const range = { range: `bytes=${start}-`, ...(etag === null ? {} : { 'if-range': etag }) };
  const response = await askHub(hub, from, file.name, start > 0 ? range : {}).catch((error: unknown) => {
    if (error instanceof HubInterruption && error.status === RANGE_NOT_SATISFIABLE) download.startAnew();
    throw error;
  });
  // 200 to a question for a range: the server has no ranges, or another file by now
  const goesOn = response.status === 206 && start > 0;
  if (goesOn && !continuesAt(response.headers, start)) {
    await response.discard();
    download.startAnew();
    throw new HubInterruption(`other bytes of ${file.name} came than were asked for`);
  }
  if (start > 0 && !goesOn) download.startAnew();
  await download.append(response);
  // A body that ends early without an error: the connection was cut where nobody noticed, unless it is all there is
  if (download.sizeBytes < file.sizeBytes && !isWhole(response, start)) {
    throw new HubInterruption(
      `the connection ended after ${download.sizeBytes} of ${file.sizeBytes} bytes of ${file.name}`,
    );
  }

  function isWhole({ headers }: HubResponse, from: number): boolean {
    const length = headers.get('content-length');
    return length !== null && Number(length) === download.sizeBytes - (goesOn ? from : 0);
  }
}

/** Of `Content-Range: bytes 100-199/200` the first number must be where the partial file ends. */
function continuesAt(headers: Headers, start: number): boolean {
  return /^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1] === String(start);
}

/** The beginning of a file, and the ETag under which the hub has the rest. */
class PartialFile {
  readonly file: HubFile;
  readonly #path: string;
  readonly #onBytes: (bytes: number) => void;
  sizeBytes: number;

  constructor(path: string, file: HubFile, onBytes: (bytes: number) => void) {
    this.file = file;
    this.#path = path;
    this.#onBytes = onBytes;
    this.sizeBytes = sizeOf(path);
    onBytes(this.sizeBytes);
  }

  /** Only a strong one tells bytes apart (RFC 9110, section 13.1.5). */
  get etag(): string | null {
    const etag = existsSync(this.#etagPath) ? readFileSync(this.#etagPath, 'utf8') : '';
    return etag.startsWith('"') ? etag : null;
  }

  get #etagPath(): string {
    return `${this.#path}-etag`;
  }

  startAnew(): void {
    rmSync(this.#path, { force: true });
    rmSync(this.#etagPath, { force: true });
    this.#onBytes(-this.sizeBytes);
    this.sizeBytes = 0;
  }

  /** An empty one where there is none: of a file without bytes that is all. */
  async create(): Promise<void> {
    await onDisk(this.file, async () => (await open(this.#path, 'a')).close());
  }

  async append({ headers, chunks }: HubResponse): Promise<void> {
    await onDisk(this.file, async () => {
      writeFileSync(this.#etagPath, headers.get('etag') ?? '');
    });
    const handle = await onDisk(this.file, () => open(this.#path, 'a'));
    try {
      for await (const chunk of chunks) {
        await onDisk(this.file, () => writeAll(handle, chunk));
        this.sizeBytes += chunk.byteLength;
        this.#onBytes(chunk.byteLength);
        // More than there should be: it need not come to an end
        if (this.sizeBytes > this.file.sizeBytes) return;
      }
      await onDisk(this.file, () => handle.sync());
    } finally {
      await handle.close();
    }
  }

  finish(path: string): void {
    renameSync(this.#path, path);
    rmSync(this.#etagPath, { force: true });
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength;) {
    const { bytesWritten } = await handle.write(chunk, at);
    at += bytesWritten;
  }
}

/** @throws {ChoraleError} STORE_ERROR: the disk is full, or may not be written */
async function onDisk<T>(file: HubFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : (cause as Error).message;
    throw new ChoraleError(
      'STORE_ERROR',
      `${basename(file.name)} (${file.sizeBytes} bytes) cannot be written to the data directory: ${why}. Make room or mend it, then start again: what was downloaded is kept.`,
      { cause },
    );
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function fileHash(path: string, { sizeBytes, hash: { algorithm } }: HubFile): Promise<string> {
  const hash = createHash(algorithm === 'sha256' ? 'sha256' : 'sha1');
  // What git hashes of a file: its length first
  if (algorithm === 'git-sha1') hash.update(`blob ${sizeBytes}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
