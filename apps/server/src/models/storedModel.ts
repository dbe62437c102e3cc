import { createHash } from 'node:crypto';
import type { ModelFile } from '@chorale/protocol';
import { MAX_PIECE_BYTES } from '@chorale/protocol';
import type { FileStore } from '../fileStore.ts';
import { openFileStore } from '../fileStore.ts';
import type { ModelFiles } from '../serverParts.ts';

/** A packed model in a file store, told to a thread that has to read it. */
export type StoredModel = { directory: string; files: readonly ModelFile[] };

/**
 * Cuts a model's files into the pieces that tabs load, and stores each under its hash.
 * @returns what the plan says of them
 */
export function storeModel(store: FileStore, model: ModelFiles, pieceBytes = MAX_PIECE_BYTES): ModelFile[] {
  return [...model].map(([name, bytes]) => {
    const hash = createHash('sha256');
    const pieces: ModelFile['pieces'] = [];
    for (let start = 0; start < bytes.byteLength; start += pieceBytes) {
      const piece = bytes.subarray(start, start + pieceBytes);
      hash.update(piece);
      pieces.push({ sizeBytes: piece.byteLength, sha256: store.put(piece) });
    }
    return { name, sizeBytes: bytes.byteLength, sha256: hash.digest('hex'), pieces };
  });
}

/** @throws {ChoraleError} STORE_ERROR when a piece is not there, or its bytes are not those that the plan names */
export function readStoredModel({ directory, files }: StoredModel): ModelFiles {
  const store = openFileStore(directory);
  return new Map(
    files.map(({ name, sizeBytes, pieces }) => {
      const bytes = new Uint8Array(sizeBytes);
      let at = 0;
      for (const piece of pieces) {
        bytes.set(store.read(piece.sha256), at);
        at += piece.sizeBytes;
      }
      return [name, bytes];
    }),
  );
}
