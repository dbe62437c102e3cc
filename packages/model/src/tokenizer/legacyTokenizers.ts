import { ModelError } from '../modelError.ts';
import { shortened } from '../shortened.ts';
import { JsonPlace } from './jsonPlace.ts';

type Json = Record<string, unknown>;

/**
 * The tokenizer.json of a vocab.txt, as BertTokenizer reads it.
 * @param vocabText a token on each line, its id the number of the line from 0; of a token that stands twice the last id
 * @param options tokenizer_config.json
 * @throws {ModelError} a special token is not in it
 */
export function wordPieceTokenizerJson(vocabText: string, options: JsonPlace): Json {
  const lines = vocabText.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  const vocabulary = new Map(lines.map((token, id) => [token, id]));
  const name = (role: string, usual: string) => specialToken(options, role, usual);
  const special = (role: string, usual: string) => found(vocabulary, name(role, usual), 'vocab.txt', role);
  const unk = special('unk_token', '[UNK]');
  const cls = special('cls_token', '[CLS]');
  const sep = special('sep_token', '[SEP]');
  const others = [name('pad_token', '[PAD]'), name('mask_token', '[MASK]')].flatMap((content) => {
    const id = vocabulary.get(content);
    return id === undefined ? [] : [{ content, id }];
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens([unk, cls, sep, ...others]),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: options.at('tokenize_chinese_chars').flag(true),
      strip_accents: options.at('strip_accents').absent ? null : options.at('strip_accents').flag(true),
      lowercase: options.at('do_lower_case').flag(true),
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [piece(cls, 0), text('A', 0), piece(sep, 0)],
      pair: [piece(cls, 0), text('A', 0), piece(sep, 0), text('B', 1), piece(sep, 1)],
      special_tokens: Object.fromEntries(
        [cls, sep].map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unk.content,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  };
}

/**
 * The tokenizer.json of a vocab.json and merges.txt, as RobertaTokenizer reads them.
 * @param vocab token → id
 * @param mergesText a pair of tokens on each line, the first pair merged first; an optional line `#version` before
 * @throws {ModelError} a special token is not in it, or a line of merges.txt is no pair
 */
export function byteLevelTokenizerJson(vocab: unknown, mergesText: string, options: JsonPlace): Json {
  const place = new JsonPlace('vocab.json', vocab);
  const vocabulary = new Map(Object.keys(place.record()).map((token) => [token, place.at(token).value]));
  const special = (role: string, usual: string) =>
    found(vocabulary, specialToken(options, role, usual), 'vocab.json', role);
  const cls = special('cls_token', '<s>');
  const sep = special('sep_token', '</s>');
  const unk = special('unk_token', '<unk>');
  const pad = special('pad_token', '<pad>');
  const mask = specialToken(options, 'mask_token', '<mask>');
  const addPrefixSpace = options.at('add_prefix_space').flag(false);
  const lines = mergesText.split(/\r\n|\n/);
  const merges = lines.flatMap((line, i) => {
    if ((i === 0 && line.startsWith('#version')) || (i === lines.length - 1 && line === '')) return [];
    if (!/^[^ ]+ [^ ]+$/.test(line)) {
      throw new ModelError(
        `merges.txt: line ${i + 1} is ${shortened(JSON.stringify(line))}, expected two tokens with a space between`,
      );
    }
    return [line];
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens([
      cls,
      pad,
      sep,
      unk,
      ...(vocabulary.has(mask) ? [{ content: mask, id: vocabulary.get(mask), lstrip: true }] : []),
    ]),
    normalizer: null,
    pre_tokenizer: {
      type: 'ByteLevel',
      add_prefix_space: addPrefixSpace,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [sep.content, sep.id],
      cls: [cls.content, cls.id],
      trim_offsets: true,
      add_prefix_space: addPrefixSpace,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unk.content,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges,
    },
  };
}

type Special = { content: string; id: unknown; lstrip?: boolean };

/** A special token's text from the options, where it stands as such or as an object with its content. */
function specialToken(options: JsonPlace, role: string, usual: string): string {
  const place = options.at(role);
  if (place.absent) return usual;
  return typeof place.value === 'string' ? place.text() : place.at('content').text();
}

function found(
  vocabulary: ReadonlyMap<string, unknown>,
  content: string,
  fileName: string,
  role: string,
): Special {
  const id = vocabulary.get(content);
  if (id === undefined) {
    throw new ModelError(
      `${fileName}: no token ${shortened(JSON.stringify(content))}, expected the ${role}; name it in tokenizer_config.json if it has another text`,
    );
  }
  return { content, id };
}

function addedTokens(specials: readonly Special[]): Json[] {
  const unique = new Map(specials.map((special) => [special.content, special]));
  return [...unique.values()]
    .toSorted((a, b) => Number(a.id) - Number(b.id))
    .map(({ content, id, lstrip = false }) => ({
      id,
      content,
      single_word: false,
      lstrip,
      rstrip: false,
      normalized: false,
      special: true,
    }));
}

const piece = ({ content }: Special, typeId: number) => ({ SpecialToken: { id: content, type_id: typeId } });
const text = (id: 'A' | 'B', typeId: number) => ({ Sequence: { id, type_id: typeId } });
