import { BPE, WordPiece } from '@huggingface/tokenizers';
import { ModelError } from '../modelError.ts';
import { BYTE_CHARACTERS } from './byteLevelText.ts';
import type { JsonPlace } from './jsonPlace.ts';
import type { TextTokenizer } from './textTokenizer.ts';
import type { Vocabulary } from './vocabulary.ts';
import { readVocabulary } from './vocabulary.ts';

/** A tokenizer's `model`: cuts words into tokens of the vocabulary. */
export type Subwords = {
  kind: TextTokenizer['kind'];
  vocabulary: Vocabulary;
  /** Token ids of a word; none for what the vocabulary has neither tokens nor an unknown token for. */
  idsOf: (word: string) => readonly number[];
  /** Characters of a word (for bytes: bytes) that are enough to know its first so many tokens. */
  enoughFor: (tokens: number) => number;
};

/**
 * Bytes that are read of a word past those its tokens can hold. Which tokens stand at a place of a long word follows from
 * what is to the right of it, too, but in principle only: each step of such a chain needs a merge of a higher rank.
 */
const LOOK_AHEAD = 4096;

/** Words whose ids are remembered: natural text has few different ones. */
const MOST_WORDS_KEPT = 20_000;
const LONGEST_WORD_KEPT = 100;

/**
 * Reads `model`.
 * @throws {ModelError} another kind than WordPiece and byte-level BPE, or malformed
 */
export function readSubwords(place: JsonPlace): Subwords {
  const type = place.at('type');
  // Files of the first versions name no type
  const name = type.absent ? (place.at('merges').absent ? 'WordPiece' : 'BPE') : type.value;
  switch (name) {
    case 'WordPiece':
      return readWordPiece(place);
    case 'BPE':
      return readBytePairs(place);
    default:
      throw type.wrong('WordPiece or BPE; this version reads no others');
  }
}

/** @see Wu et al. 2016, section 4.1; Devlin et al. 2018, `WordpieceTokenizer` in google-research/bert */
function readWordPiece(place: JsonPlace): Subwords {
  const vocabulary = readVocabulary(place.at('vocab'));
  const unkToken = place.at('unk_token').text();
  if (!vocabulary.has(unkToken)) throw place.at('unk_token').wrong('a token of the vocabulary');
  const prefix = place.at('continuing_subword_prefix');
  const longest = place.at('max_input_chars_per_word');
  const mostCharacters = longest.absent ? 100 : longest.count(1001, 'a length');
  const model = new WordPiece({
    type: 'WordPiece',
    unk_token: unkToken,
    continuing_subword_prefix: prefix.absent ? '##' : prefix.text(),
    max_input_chars_per_word: mostCharacters,
    vocab: Object.fromEntries(vocabulary),
  });
  return {
    kind: 'wordpiece',
    vocabulary,
    idsOf: remembering((word) => model.encode([word]), vocabulary),
    // A word with one character too many is unknown, whatever follows; a character has two units at most
    enoughFor: () => 2 * (mostCharacters + 1),
  };
}

/** @see Sennrich et al. 2016, algorithm 1, over bytes: Radford et al. 2019, section 2.2 */
function readBytePairs(place: JsonPlace): Subwords {
  const vocabulary = readVocabulary(place.at('vocab'));
  for (const option of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback']) {
    const { value } = place.at(option);
    if (![undefined, null, '', 0, false].includes(value as null)) throw place.at(option).wrong('none');
  }
  const unk = place.at('unk_token');
  if (!unk.absent && !vocabulary.has(unk.text())) throw unk.wrong('a token of the vocabulary');
  if (unk.absent) {
    const missing = BYTE_CHARACTERS.findIndex((character) => !vocabulary.has(character));
    if (missing >= 0) {
      throw place
        .at('vocab')
        .wrong(
          `a token for each byte, or model.unk_token; it has none for byte ${missing} and would drop it`,
        );
    }
  }
  const model = new BPE({
    type: 'BPE',
    unk_token: unk.absent ? null : unk.text(),
    fuse_unk: place.at('fuse_unk').flag(false),
    ignore_merges: place.at('ignore_merges').flag(false),
    vocab: Object.fromEntries(vocabulary),
    merges: readMerges(place.at('merges'), vocabulary),
  });
  let longestToken = 1;
  for (const token of vocabulary.keys()) longestToken = Math.max(longestToken, token.length);
  return {
    kind: 'byte-level-bpe',
    vocabulary,
    idsOf: remembering((word) => model([word]), vocabulary),
    enoughFor: (tokens) => tokens * longestToken + LOOK_AHEAD,
  };
}

/** Pairs as `["a", "b"]` or, in older files, `"a b"`. */
function readMerges(place: JsonPlace, vocabulary: Vocabulary): [string, string][] {
  return place.list().map((item) => {
    const parts =
      typeof item.value === 'string' ? item.value.split(' ') : item.list().map((part) => part.text());
    const [left, right] = parts;
    if (parts.length !== 2 || !left || !right) throw item.wrong('a pair of tokens');
    for (const token of [left, right, left + right]) {
      if (vocabulary.has(token)) continue;
      throw new ModelError(
        `${item.fileName}: ${item.path} needs the token ${JSON.stringify(token)}, expected it in the vocabulary`,
      );
    }
    return [left, right];
  });
}

function remembering(tokensOf: (word: string) => string[], vocabulary: Vocabulary): Subwords['idsOf'] {
  const known = new Map<string, number[]>();
  return (word) => {
    const before = known.get(word);
    if (before) return before;
    const ids = tokensOf(word).flatMap((token) => vocabulary.get(token) ?? []);
    if (word.length <= LONGEST_WORD_KEPT) {
      if (known.size >= MOST_WORDS_KEPT) known.clear();
      known.set(word, ids);
    }
    return ids;
  };
}
