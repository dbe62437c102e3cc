import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ModelFiles } from '../files/modelFiles.ts';
import { MODEL_FILE_NAMES } from '../files/modelFiles.ts';

const DIRECTORY = resolve(import.meta.dirname, '../../../../assets/models/tiny-encoder');

/** The embedded tiny encoder; in Node. */
export async function readTinyEncoder(): Promise<ModelFiles> {
  const files: ModelFiles = new Map();
  for (const name of MODEL_FILE_NAMES)
    files.set(name, new Uint8Array(await readFile(resolve(DIRECTORY, name))));
  return files;
}
