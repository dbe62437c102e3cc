import { ModelError } from '../modelError.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { jsonOf, textFileOf } from '../files/modelFiles.ts';
import { listed } from '../shortened.ts';
import { JsonPlace } from './jsonPlace.ts';
import { byteLevelTokenizerJson, wordPieceTokenizerJson } from './legacyTokenizers.ts';

/** A tokenizer in the form of tokenizer.json, and the file to name when something in it is wrong. */
export type TokenizerJson = { json: Record<string, unknown>; fileName: string };

/**
 * Reads the tokenizer of a model directory: tokenizer.json; or vocab.txt (WordPiece); or vocab.json and merges.txt
 * (byte-level BPE). For the last two the equal tokenizer.json is built. What tokenizer_config.json says of case, accents
 * and the space in front goes before what tokenizer.json says, as in the transformers library. Truncation and padding
 * that stand in the file are dropped: both are the run's matter.
 * @throws {ModelError} none of these files, or one that cannot be read
 */
export function readTokenizerJson(files: ModelFiles): TokenizerJson {
  const source = ['tokenizer.json', 'vocab.txt', 'vocab.json'].find((name) => files.has(name));
  if (source === undefined) {
    throw new ModelError(
      'the model directory has no tokenizer: expected tokenizer.json, or vocab.txt, or vocab.json and merges.txt; ' +
        `it has ${listed([...files.keys()]) || 'no files'}`,
    );
  }
  const options = optionsOf(files);
  const json =
    source === 'tokenizer.json'
      ? withOptions(new JsonPlace(source, jsonOf(files, source)).record(), options)
      : source === 'vocab.txt'
        ? wordPieceTokenizerJson(textOf(files, source), options)
        : byteLevelTokenizerJson(jsonOf(files, source), textOf(files, 'merges.txt'), options);
  return { json: { ...json, truncation: null, padding: null }, fileName: source };
}

/** The parts of a tokenizer.json; others that stand in one have no bearing on the ids and may be anybody's notes. */
const PARTS = [
  'version',
  'truncation',
  'padding',
  'added_tokens',
  'normalizer',
  'pre_tokenizer',
  'post_processor',
  'decoder',
  'model',
];

/**
 * The tokenizer of any supported directory as a tokenizer.json. Of its own result it gives the same bytes.
 * @throws {ModelError} as `readTokenizerJson`
 */
export function tokenizerJsonOf(files: ModelFiles): Uint8Array {
  const { json } = readTokenizerJson(files);
  const parts = PARTS.filter((part) => Object.hasOwn(json, part)).map((part) => [part, json[part]]);
  return new TextEncoder().encode(JSON.stringify(Object.fromEntries(parts)));
}

/** Options of tokenizer_config.json that are switches and bear on the ids of a tokenizer.json. */
const SWITCHES = ['do_lower_case', 'strip_accents', 'tokenize_chinese_chars', 'add_prefix_space'];

/**
 * The fields of tokenizer_config.json that are read where there is a tokenizer.json; whatever else stands there (paths of
 * the machine it was saved on, for one) stays behind.
 * @throws {ModelError} a file cannot be read
 */
export function tokenizerConfigOf(files: ModelFiles): Record<string, unknown> {
  const options = optionsOf(files);
  const { value: className } = options.at('tokenizer_class');
  const kept: [string, unknown][] = isClassName(className) ? [['tokenizer_class', className]] : [];
  for (const name of SWITCHES) {
    const { value } = options.at(name);
    if (typeof value === 'boolean') kept.push([name, value]);
  }
  return Object.fromEntries(kept);
}

function isClassName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z]\w{0,59}$/.test(value);
}

/** tokenizer_config.json over special_tokens_map.json; empty where there is neither. */
function optionsOf(files: ModelFiles): JsonPlace {
  const record = (name: string) => (files.has(name) ? new JsonPlace(name, jsonOf(files, name)).record() : {});
  return new JsonPlace('tokenizer_config.json', {
    ...record('special_tokens_map.json'),
    ...record('tokenizer_config.json'),
  });
}

function textOf(files: ModelFiles, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(textFileOf(files, name));
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`${name}: not text in UTF-8`, { cause });
  }
}

/** Tokenizer classes that take tokenizer.json as it is. */
const AS_IT_IS = ['PreTrainedTokenizerFast', 'TokenizersBackend'];

/** @see `BertTokenizerFast` and `RobertaTokenizerFast` of the transformers library, which change the file's parts alike */
function withOptions(json: Record<string, unknown>, options: JsonPlace): Record<string, unknown> {
  const className = options.at('tokenizer_class');
  if (!className.absent && AS_IT_IS.includes(className.text())) return json;
  const changed = (part: unknown, type: string, names: Record<string, string>): unknown => {
    if (typeof part !== 'object' || part === null || (part as { type?: unknown }).type !== type) return part;
    const stated = Object.entries(names).filter(([, option]) => Object.hasOwn(options.record(), option));
    return { ...part, ...Object.fromEntries(stated.map(([key, option]) => [key, options.at(option).value])) };
  };
  return {
    ...json,
    normalizer: changed(json.normalizer, 'BertNormalizer', {
      lowercase: 'do_lower_case',
      strip_accents: 'strip_accents',
      handle_chinese_chars: 'tokenize_chinese_chars',
    }),
    pre_tokenizer: changed(json.pre_tokenizer, 'ByteLevel', { add_prefix_space: 'add_prefix_space' }),
  };
}
