import { ModelError } from '../modelError.ts';
import { listed } from '../shortened.ts';
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

const MB = 1024 * 1024;

/** No tokenizer of an encoder is larger; that of XLM-RoBERTa has 17 MB. */
const LARGEST_TOKENIZER = 64 * MB;

/** The largest files of text that are read, in bytes; a larger one is refused before anything is parsed. */
const LARGEST_TEXT: ReadonlyMap<string, number> = new Map([
  ['config.json', MB],
  ['tokenizer.json', LARGEST_TOKENIZER],
  ['vocab.json', LARGEST_TOKENIZER],
  ['vocab.txt', LARGEST_TOKENIZER],
  ['merges.txt', LARGEST_TOKENIZER],
]);
/** Lists of added tokens and of tensors, which grow with the model. */
const LARGEST_OTHER_TEXT = 16 * MB;

/** @throws {ModelError} there is no such file; the message names those there are */
export function fileOf(files: ModelFiles, name: string): Uint8Array {
  const bytes = files.get(name);
  if (!bytes) {
    throw new ModelError(
      `the model directory has no ${name}; it has ${listed([...files.keys()]) || 'no files'}`,
    );
  }
  return bytes;
}

/**
 * The bytes of a file that is text.
 * @throws {ModelError} no such file, or larger than any real one
 */
export function textFileOf(files: ModelFiles, name: string): Uint8Array {
  const bytes = fileOf(files, name);
  const most = LARGEST_TEXT.get(name) ?? LARGEST_OTHER_TEXT;
  if (bytes.byteLength <= most) return bytes;
  throw new ModelError(`${name}: ${bytes.byteLength} bytes, expected at most ${most}`);
}

/** @throws {ModelError} no such file, larger than any real one, or not strict JSON (see `parseStrictJson`) */
export function jsonOf(files: ModelFiles, name: string): unknown {
  return parseStrictJson(textFileOf(files, name), name);
}
