import { createHash } from 'node:crypto';
import type { ReadStream } from 'node:fs';
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ChoraleError } from '@chorale/protocol';

/** Files under the hash of their bytes, in one folder. */
export type FileStore = {
  readonly directory: string;
  /**
   * Writes them unless they are there already; a file that was altered since is written again.
   * @returns SHA-256 of the bytes, under which they are found from now on, also after a crash
   * @throws {ChoraleError} STORE_FULL: there is no room; STORE_ERROR: it may not be written
   */
  put(bytes: Uint8Array): string;
  /** @throws {ChoraleError} STORE_ERROR when it is not there, or is not what was put there */
  read(sha256: string): Uint8Array;
  /**
   * Not checked on the way: whoever takes it checks it against its hash.
   * @throws {ChoraleError} STORE_ERROR when it is not there
   */
  stream(sha256: string): ReadStream;
};

/**
 * Opens the folder in which a data directory keeps its own copies of models and test files: a run must go on with the
 * files its contributors agreed to, whatever becomes of the places they were read from.
 */
export function openFileStore(directory: string): FileStore {
  mkdirSync(directory, { recursive: true });
  const pathOf = (sha256: string): string => {
    const path = join(directory, sha256);
    if (!existsSync(path))
      throw new ChoraleError('STORE_ERROR', `expected a file at ${path}, it is gone. ${MEND}`);
    return path;
  };
  return {
    directory,
    put(bytes) {
      const sha256 = sha256Of(bytes);
      const path = join(directory, sha256);
      // Written aside and renamed: under its name a file is complete.
      const draft = `${path}.draft`;
      try {
        if (holds(path, bytes.byteLength, sha256)) return sha256;
        writeFileSync(draft, bytes);
        sync(draft, 'r+');
        renameSync(draft, path);
        // The name is an entry of the folder, which is written on its own
        sync(directory, 'r');
        return sha256;
      } catch (cause) {
        rmSync(draft, { force: true });
        const { code, message } = cause as NodeJS.ErrnoException;
        const full = code !== undefined && NO_ROOM.includes(code);
        throw new ChoraleError(
          full ? 'STORE_FULL' : 'STORE_ERROR',
          `expected to write ${bytes.byteLength} bytes to ${directory}: ${message}${full ? '; make room there' : ''}`,
          { cause },
        );
      }
    },
    read(sha256) {
      const path = pathOf(sha256);
      const bytes = readFileSync(path);
      if (sha256Of(bytes) === sha256) return bytes;
      throw new ChoraleError(
        'STORE_ERROR',
        `expected the bytes of SHA-256 ${sha256} at ${path}, the file was altered (${bytes.byteLength} bytes). ${MEND}`,
      );
    },
    stream: (sha256) => createReadStream(pathOf(sha256)),
  };
}

const MEND =
  'Look at the disk, then start the server once with the config of the run it belongs to: what that run is made of is stored again.';

/** A full disk, a used up quota, a limit on the size of files. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG'];

function sync(path: string, flags: 'r' | 'r+'): void {
  const handle = openSync(path, flags);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Whether these very bytes stand in a file. */
function holds(path: string, sizeBytes: number, sha256: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.size === sizeBytes && sha256Of(readFileSync(path)) === sha256;
}

/** SHA-256 in lower-case hexadecimal, at once. */
export function sha256Of(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
