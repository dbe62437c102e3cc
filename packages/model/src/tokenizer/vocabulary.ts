import { ModelError } from '../modelError.ts';
import { shortened } from '../shortened.ts';
import type { JsonPlace } from './jsonPlace.ts';

/** No vocabulary of a real encoder is larger; the largest known has 1 million tokens. */
const MAX_TOKEN_ID = 1e7;

/** A token outside the model's own vocabulary rules, found in a text before anything else is. */
export type AddedToken = { id: number; content: string; special: boolean; normalized: boolean };

/** Token → id. */
export type Vocabulary = ReadonlyMap<string, number>;

/**
 * Reads `model.vocab`.
 * @throws {ModelError} no object of token ids, or two tokens of the same id
 */
export function readVocabulary(place: JsonPlace): Vocabulary {
  const vocabulary = new Map<string, number>();
  const tokenOf = new Map<number, string>();
  for (const token of Object.keys(place.record())) {
    const id = place.at(token).count(MAX_TOKEN_ID, 'a token id');
    const other = tokenOf.get(id);
    if (other !== undefined) {
      throw new ModelError(
        `${place.fileName}: ${place.path} gives the id ${id} to ${shortened(JSON.stringify(other))} and to ` +
          `${shortened(JSON.stringify(token))}, expected one token for each id`,
      );
    }
    vocabulary.set(token, id);
    tokenOf.set(id, token);
  }
  if (vocabulary.size === 0) throw place.wrong('at least one token');
  return vocabulary;
}

/**
 * Reads `added_tokens`. Special ones are only what the template writes; the others are also found in texts.
 * @throws {ModelError} malformed, at odds with the vocabulary, or a kind of matching that is not done here
 */
export function readAddedTokens(place: JsonPlace, vocabulary: Vocabulary): AddedToken[] {
  if (place.absent) return [];
  const tokenOf = new Map([...vocabulary].map(([token, id]) => [id, token]));
  return place.list().map((item) => {
    const content = item.at('content').text();
    if (content === '') throw item.at('content').wrong('a text that is not empty');
    const id = item.at('id').count(MAX_TOKEN_ID, 'a token id');
    const known = vocabulary.get(content);
    const other = tokenOf.get(id);
    if ((known !== undefined && known !== id) || (other !== undefined && other !== content)) {
      throw item
        .at('id')
        .wrong(
          known !== undefined && known !== id
            ? `${known}, the id of ${shortened(JSON.stringify(content))} in the vocabulary`
            : `another id: this one is that of ${shortened(JSON.stringify(other))}`,
        );
    }
    tokenOf.set(id, content);
    const special = item.at('special').flag(false);
    for (const option of special ? [] : ['single_word', 'lstrip', 'rstrip']) {
      if (item.at(option).flag(false))
        throw item.at(option).wrong('false: this version finds added tokens anywhere');
    }
    return { id, content, special, normalized: item.at('normalized').flag(!special) };
  });
}

/**
 * Finds the added tokens that are not special in a text, the leftmost and longest first.
 * @returns text → its parts in order: a text between them, or the id of an added token
 */
export function addedTokenSplitter(tokens: readonly { content: string; id: number }[]) {
  if (tokens.length === 0) return (text: string): (string | number)[] => [text];
  const idOf = new Map(tokens.map(({ content, id }) => [content, id]));
  const pattern = [...idOf.keys()]
    .toSorted((a, b) => b.length - a.length)
    .map((content) => content.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
    .join('|');
  const found = new RegExp(`(${pattern})`, 'u');
  return (text: string): (string | number)[] =>
    text
      .split(found)
      .map((part, i) => (i % 2 === 1 ? idOf.get(part)! : part))
      .filter((part) => part !== '');
}
