import { ModelError } from '../modelError.ts';
import { listed } from '../shortened.ts';
import { INDEX_FILE, WEIGHTS_FILE } from '../weights/shards.ts';

const SHARD = /^model-(\d{5})-of-(\d{5})\.safetensors$/;

/** Weights in formats that are not read, and what to say of them. */
const OTHER_WEIGHTS: readonly [pattern: RegExp, format: string][] = [
  [/^pytorch_model.*\.(bin|bin\.index\.json)$/, 'PyTorch pickles'],
  [/\.(pt|pth|ckpt)$/, 'PyTorch pickles'],
  [/^tf_model.*\.h5$/, 'TensorFlow'],
  [/^flax_model.*\.msgpack$/, 'Flax'],
  [/\.gguf$/, 'GGUF'],
  [/\.onnx$/, 'ONNX'],
];

/**
 * The files to read of a model directory or hub repository. Only its top level counts: folders hold variants.
 * @param names all its file names
 * @returns config.json, the weights (one file, or the index and its shards), the tokenizer's files; sorted
 * @throws {ModelError} something is missing; the message says what is there instead
 */
export function neededModelFiles(names: readonly string[]): string[] {
  const there = new Set(names.filter((name) => !name.includes('/')));
  if (!there.has('config.json')) {
    throw new ModelError(
      `the model has no config.json${itHas(names)}; is it one of the transformers library?`,
    );
  }
  const optional = ['tokenizer_config.json', 'special_tokens_map.json'].filter((name) => there.has(name));
  return ['config.json', ...weightFiles(there), ...tokenizerFiles(there), ...optional].toSorted();
}

function weightFiles(there: ReadonlySet<string>): string[] {
  if (there.has(WEIGHTS_FILE)) return [WEIGHTS_FILE];
  const shards = [...there].filter((name) => SHARD.test(name));
  if (there.has(INDEX_FILE) && shards.length > 0) {
    const counts = new Set(shards.map((name) => Number(SHARD.exec(name)![2])));
    const [count] = counts;
    if (counts.size > 1 || shards.length !== count) {
      throw new ModelError(
        `the model has ${shards.length} of its ${[...counts].slice(0, 5).join(' or ')} weight files`,
      );
    }
    return [INDEX_FILE, ...shards];
  }
  if (shards.length > 0) throw new ModelError(`the model has ${listed(shards)} but no ${INDEX_FILE}`);
  if (there.has(INDEX_FILE)) throw new ModelError(`the model has ${INDEX_FILE} but none of its weight files`);
  const others = OTHER_WEIGHTS.filter(([pattern]) => [...there].some((name) => pattern.test(name)));
  const formats = [...new Set(others.map(([, format]) => format))];
  throw new ModelError(
    formats.length > 0
      ? `the model has its weights only as ${formats.join(', ')}; save it as ${WEIGHTS_FILE} (safe_serialization)`
      : `the model has no ${WEIGHTS_FILE}${itHas([...there])}`,
  );
}

function tokenizerFiles(there: ReadonlySet<string>): string[] {
  if (there.has('tokenizer.json')) return ['tokenizer.json'];
  if (there.has('vocab.txt')) return ['vocab.txt'];
  if (there.has('vocab.json') && there.has('merges.txt')) return ['vocab.json', 'merges.txt'];
  if ([...there].some((name) => /^(sentencepiece.*|spiece|spm|tokenizer)\.model$/.test(name))) {
    throw new ModelError(
      'the model has a SentencePiece tokenizer only, which cannot be read; it needs tokenizer.json',
    );
  }
  throw new ModelError(
    `the model has no tokenizer: expected tokenizer.json, or vocab.txt, or vocab.json and merges.txt${itHas([...there])}`,
  );
}

function itHas(names: readonly string[]): string {
  return `; it has ${listed(names) || 'no files'}`;
}
