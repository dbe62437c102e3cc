import { ModelError } from '../modelError.ts';
import { parseStrictJson } from '../weights/strictJson.ts';

/** A model directory in Hugging Face layout: file name → bytes. */
export type ModelFiles = Map<string, Uint8Array>;

/** The files of a packed model (`packModel`): all that a tab needs. */
export const MODEL_FILE_NAMES = [
  'config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
] as const;

/** @throws {ModelError} there is no such file; the message names those there are */
export function fileOf(files: ModelFiles, name: string): Uint8Array {
  const bytes = files.get(name);
  if (!bytes) {
    throw new ModelError(
      `the model directory has no ${name}; it has ${[...files.keys()].join(', ') || 'no files'}`,
    );
  }
  return bytes;
}

/** @throws {ModelError} no such file, or not strict JSON (see `parseStrictJson`) */
export function jsonOf(files: ModelFiles, name: string): unknown {
  return parseStrictJson(fileOf(files, name), name);
}
