import { readFileSync, statSync } from 'node:fs';
import { ChoraleError } from '@chorale/protocol';

/** What Node reads into one piece of memory. */
const LARGEST_FILE_BYTES = 2 ** 31 - 1;

/**
 * A file as a plain Uint8Array, not copied. (`slice` of the Buffer that Node gives is a view; of a Uint8Array, a copy.)
 * @throws {ChoraleError} MODEL_INVALID: it is too large
 */
export function readBytes(path: string): Uint8Array {
  requireReadable(path, statSync(path).size);
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** @throws {ChoraleError} MODEL_INVALID */
export function requireReadable(name: string, sizeBytes: number): void {
  if (sizeBytes <= LARGEST_FILE_BYTES) return;
  throw new ChoraleError(
    'MODEL_INVALID',
    `expected model files of at most 2 GiB, ${name} has ${sizeBytes} bytes; save the model in shards, or in F16`,
  );
}
