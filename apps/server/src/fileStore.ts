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
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ChoraleError } from '@chorale/protocol';

/** Files under the hash of their bytes, in one folder. */
export type FileStore = {
  readonly directory: string;
  /**
   * @returns SHA-256 of the bytes, under which they are found from now on, also after a crash
   * @throws {ChoraleError} STORE_ERROR: the disk is full, or may not be written
   */
  put(bytes: Uint8Array): string;
  /** @throws {ChoraleError} STORE_ERROR when it is not there */
  read(sha256: string): Uint8Array;
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
      throw new ChoraleError('STORE_ERROR', `expected file ${sha256} in the store, it is gone`);
    return path;
  };
  return {
    directory,
    put(bytes) {
      const sha256 = sha256Of(bytes);
      const path = join(directory, sha256);
      if (!existsSync(path)) {
        // Written aside and renamed: under its name a file is complete.
        const draft = `${path}.draft`;
        try {
          writeFileSync(draft, bytes);
          const handle = openSync(draft, 'r+');
          fsyncSync(handle);
          closeSync(handle);
          renameSync(draft, path);
        } catch (cause) {
          rmSync(draft, { force: true });
          throw new ChoraleError(
            'STORE_ERROR',
            `expected to write ${bytes.byteLength} bytes to ${directory}: ${(cause as Error).message}`,
            { cause },
          );
        }
      }
      return sha256;
    },
    read: (sha256) => readFileSync(pathOf(sha256)),
    stream: (sha256) => createReadStream(pathOf(sha256)),
  };
}

/** SHA-256 in lower-case hexadecimal, at once. */
export function sha256Of(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
