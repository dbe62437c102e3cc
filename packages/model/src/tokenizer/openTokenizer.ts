import type { EncoderConfig } from '../config/encoderConfig.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { ModelError } from '../modelError.ts';
import { bertWords, normalizeBertText } from './bertText.ts';
import { byteLevelWords } from './byteLevelText.ts';
import { JsonPlace } from './jsonPlace.ts';
import { readSubwords } from './subwords.ts';
import type { TemplatePiece } from './template.ts';
import { fillTemplate, longestFirst, readTemplate, specialCount, withModelTypes } from './template.ts';
import type { TextTokenizer } from './textTokenizer.ts';
import { readTokenizerJson } from './tokenizerFiles.ts';
import { addedTokenSplitter, readAddedTokens } from './vocabulary.ts';

/**
 * Opens the tokenizer of a model directory.
 *
 * A special token that somebody writes into a text ("[SEP]", "</s>") is text like any other, as in the original BERT and
 * RoBERTa and with `split_special_tokens=True` in the transformers library, whose default would make it the token: no
 * text can end where its writer pleases. Lone surrogates become U+FFFD, which no UTF-8 text can be without.
 *
 * Of a single word that is longer than all tokens asked for can hold, and 4,096 bytes more, the rest is not read; for
 * WordPiece that changes nothing, for byte-level BPE nothing that a real vocabulary could show.
 * @param config of the same directory
 * @throws {ModelError} the tokenizer is missing or cannot be used; the message names the file, what was expected and what
 *   stands there
 */
export function openTokenizer(
  files: ModelFiles,
  config: Pick<EncoderConfig, 'architecture' | 'vocabSize' | 'tokenTypes'>,
): TextTokenizer {
  const { json, fileName } = readTokenizerJson(files);
  const file = new JsonPlace(fileName, json);
  const subwords = readSubwords(file.at('model'));
  const added = readAddedTokens(file.at('added_tokens'), subwords.vocabulary);
  const normalize = readNormalizer(file.at('normalizer'));
  const words = readWords(file.at('pre_tokenizer'), subwords.kind);
  const template = readTemplate(file.at('post_processor'), config.vocabSize);
  // Tokenizers of RoBERTa and DistilBERT give no token types, whatever their tables hold
  const tokenTypes = config.architecture === 'bert' ? config.tokenTypes : 0;
  const single = withModelTypes(template.single, tokenTypes, fileName);
  const pair = template.pair && withModelTypes(template.pair, tokenTypes, fileName);

  const inTexts = added.filter((token) => !token.special);
  const splitRaw = addedTokenSplitter(inTexts.filter((token) => !token.normalized));
  const splitNormalized = addedTokenSplitter(
    inTexts
      .filter((token) => token.normalized)
      .map(({ content, id }) => ({ content: normalize(content), id }))
      .filter(({ content }) => content !== ''),
  );

  function* idsOf(text: string, longestWord: number): Generator<number> {
    for (const part of splitRaw(text.toWellFormed())) {
      if (typeof part === 'number') yield part;
      else {
        for (const piece of splitNormalized(normalize(part))) {
          if (typeof piece === 'number') yield piece;
          else for (const word of words(piece, longestWord)) yield* subwords.idsOf(word);
        }
      }
    }
  }

  /** The first ids of a text, one more than `most` if there are so many; the text is cut into words only until then. */
  const firstIds = (text: string, most: number): number[] => {
    const ids: number[] = [];
    for (const id of idsOf(text, subwords.enoughFor(most + 1))) {
      if (id >= config.vocabSize) {
        throw new ModelError(
          `${fileName}: token id ${id} is outside the model's ${config.vocabSize} embeddings`,
        );
      }
      ids.push(id);
      if (ids.length > most) break;
    }
    return ids;
  };

  const tokens = new Set([...subwords.vocabulary.keys(), ...added.map(({ content }) => content)]);
  return {
    kind: subwords.kind,
    tokenCount: tokens.size,
    encode(text, textPair, maxTokens) {
      const pieces = textPair === null ? single : (pair ?? noPairs(fileName));
      const room = roomFor(pieces, maxTokens);
      const a = firstIds(text, room);
      const b = textPair === null ? [] : firstIds(textPair, room);
      const [lengthA, lengthB] = longestFirst(a.length, b.length, room);
      return {
        sequence: fillTemplate(pieces, { A: a.slice(0, lengthA), B: b.slice(0, lengthB) }),
        cut: lengthA < a.length || lengthB < b.length,
      };
    },
  };
}

function noPairs(fileName: string): never {
  throw new ModelError(
    `${fileName}: post_processor has no form for pairs; use a tokenizer that has, or a task without textPair`,
  );
}

function roomFor(pieces: readonly TemplatePiece[], maxTokens: number): number {
  const special = specialCount(pieces);
  if (maxTokens < special) {
    throw new RangeError(`maxTokens is ${maxTokens}, expected room for the ${special} special tokens`);
  }
  return maxTokens - special;
}

/** What happens to a text before it is cut into words. */
function readNormalizer(place: JsonPlace): (text: string) => string {
  if (place.absent) return (text) => text;
  switch (place.at('type').value) {
    case 'BertNormalizer': {
      const options = {
        cleanText: place.at('clean_text').flag(true),
        handleChineseChars: place.at('handle_chinese_chars').flag(true),
        stripAccents: place.at('strip_accents').absent ? null : place.at('strip_accents').flag(true),
        lowercase: place.at('lowercase').flag(true),
      };
      return (text) => normalizeBertText(text, options);
    }
    case 'Lowercase':
      return (text) => text.toLowerCase();
    case 'StripAccents':
      return (text) => text.replace(/\p{M}/gu, '');
    case 'NFC':
      return (text) => text.normalize('NFC');
    case 'NFD':
      return (text) => text.normalize('NFD');
    case 'NFKC':
      return (text) => text.normalize('NFKC');
    case 'NFKD':
      return (text) => text.normalize('NFKD');
    case 'Sequence': {
      const steps = place.at('normalizers').list().map(readNormalizer);
      return (text) => steps.reduce((result, step) => step(result), text);
    }
    default:
      throw place
        .at('type')
        .wrong(
          'BertNormalizer, Lowercase, StripAccents, NFC, NFD, NFKC, NFKD or a Sequence of them; this version reads no others',
        );
  }
}

/** The words of a text, of each at most so many characters. */
type WordsOf = (text: string, longest: number) => Iterable<string>;

/** How a text is cut into words: as BERT does for WordPiece, as GPT-2 does for byte-level BPE. */
function readWords(place: JsonPlace, kind: TextTokenizer['kind']): WordsOf {
  const expected = kind === 'wordpiece' ? 'BertPreTokenizer' : 'ByteLevel';
  if (place.absent) throw place.wrong(`a pre-tokenizer of type ${expected}`);
  if (place.at('type').value !== expected) throw place.at('type').wrong(`${expected} for this model.type`);
  if (kind === 'wordpiece') return bertWords;
  if (!place.at('use_regex').flag(true))
    throw place.at('use_regex').wrong('true: this version cuts words as GPT-2 does');
  const addPrefixSpace = place.at('add_prefix_space').flag(true);
  return (text, longest) => byteLevelWords(text, addPrefixSpace, longest);
}
