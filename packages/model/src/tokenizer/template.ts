import { ModelError } from '../modelError.ts';
import type { JsonPlace } from './jsonPlace.ts';
import type { TokenSequence } from './textTokenizer.ts';

/** A piece of what the model reads: the tokens of the first or second text, or special tokens. */
export type TemplatePiece = { text: 'A' | 'B'; typeId: number } | { ids: number[]; typeId: number };

/** Where the special tokens stand. */
export type Template = {
  single: TemplatePiece[];
  /** null: the tokenizer knows no pairs. */
  pair: TemplatePiece[] | null;
};

const MAX_TYPE_ID = 256;

/**
 * Reads `post_processor`.
 * @param vocabSize rows of the model's embeddings
 * @throws {ModelError} another kind than TemplateProcessing, BertProcessing and RobertaProcessing, or malformed
 */
export function readTemplate(place: JsonPlace, vocabSize: number): Template {
  const kinds = 'TemplateProcessing, BertProcessing or RobertaProcessing';
  if (place.absent) throw place.wrong(`a post-processor of type ${kinds}`);
  const type = place.at('type').text();
  switch (type) {
    case 'TemplateProcessing':
      return {
        single: templatePieces(place, 'single', vocabSize),
        pair:
          place.at('pair').absent || place.at('pair').list().length === 0
            ? null
            : templatePieces(place, 'pair', vocabSize),
      };
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const id = (key: 'cls' | 'sep') => {
        const [, second] = place.at(key).list();
        if (!second) throw place.at(key).wrong('a token and its id');
        return second.count(vocabSize, 'a token id of the model');
      };
      const isRoberta = type === 'RobertaProcessing';
      const typeOfB = isRoberta ? 0 : 1;
      const open = { ids: [id('cls')], typeId: 0 };
      const close = { ids: [id('sep')], typeId: 0 };
      const between = { ids: isRoberta ? [id('sep'), id('sep')] : [id('sep')], typeId: 0 };
      const first: TemplatePiece[] = [open, { text: 'A', typeId: 0 }];
      return {
        single: [...first, close],
        pair: [...first, between, { text: 'B', typeId: typeOfB }, { ...close, typeId: typeOfB }],
      };
    }
    case 'Sequence': {
      // ByteLevel as a post-processor moves offsets only
      const others = place
        .at('processors')
        .list()
        .filter((processor) => processor.at('type').value !== 'ByteLevel');
      if (others.length !== 1) throw place.at('processors').wrong(`one post-processor of type ${kinds}`);
      return readTemplate(others[0]!, vocabSize);
    }
    default:
      throw place.at('type').wrong(kinds);
  }
}

function templatePieces(processor: JsonPlace, which: 'single' | 'pair', vocabSize: number): TemplatePiece[] {
  const place = processor.at(which);
  const pieces = place.list().map((item): TemplatePiece => {
    const special = item.at('SpecialToken');
    const piece = special.absent ? item.at('Sequence') : special;
    const typeId = piece.at('type_id').count(MAX_TYPE_ID, 'a token type');
    const name = piece.at('id').text();
    if (!special.absent) {
      const ids = processor.at('special_tokens').at(name).at('ids').list();
      return { ids: ids.map((id) => id.count(vocabSize, 'a token id of the model')), typeId };
    }
    if (name !== 'A' && name !== 'B') throw piece.at('id').wrong('A or B');
    return { text: name, typeId };
  });
  const texts = pieces.flatMap((piece) => ('text' in piece ? [piece.text] : [])).join('');
  if (texts !== (which === 'single' ? 'A' : 'AB')) {
    throw place.wrong(
      which === 'single' ? 'one place for the text, A' : 'a place for the text A, then one for B',
    );
  }
  return pieces;
}

/** Number of special tokens in a row of pieces. */
export function specialCount(pieces: readonly TemplatePiece[]): number {
  return pieces.reduce((sum, piece) => sum + ('ids' in piece ? piece.ids.length : 0), 0);
}

/** Writes the tokens of both texts into the pieces' places. */
export function fillTemplate(
  pieces: readonly TemplatePiece[],
  tokens: { A: readonly number[]; B: readonly number[] },
): TokenSequence {
  const idsOf = (piece: TemplatePiece) => ('ids' in piece ? piece.ids : tokens[piece.text]);
  const length = pieces.reduce((sum, piece) => sum + idsOf(piece).length, 0);
  const sequence = { ids: new Uint32Array(length), typeIds: new Uint8Array(length) };
  let start = 0;
  for (const piece of pieces) {
    const ids = idsOf(piece);
    sequence.ids.set(ids, start);
    sequence.typeIds.fill(piece.typeId, start, start + ids.length);
    start += ids.length;
  }
  return sequence;
}

/**
 * Lengths to which two texts are cut: the longer one loses its last token until both fit, the second when both are
 * equally long.
 * @param room tokens there are for both, ≥ 0
 * @see Devlin et al. 2018, `_truncate_seq_pair` in google-research/bert, run_classifier.py
 */
export function longestFirst(a: number, b: number, room: number): [a: number, b: number] {
  if (a + b <= room) return [a, b];
  const half = Math.ceil(room / 2);
  // The text that is under its half keeps everything
  if (b <= room - half) return [room - b, b];
  if (a <= half) return [a, room - a];
  return [half, room - half];
}

/**
 * Token types as the model has them.
 * @param tokenTypes rows of its token type table; 0 or 1: every token is of type 0
 * @throws {ModelError} the template asks for a type the model does not have
 */
export function withModelTypes(
  pieces: TemplatePiece[],
  tokenTypes: number,
  fileName: string,
): TemplatePiece[] {
  if (tokenTypes <= 1) return pieces.map((piece) => ({ ...piece, typeId: 0 }));
  const outside = pieces.find(({ typeId }) => typeId >= tokenTypes);
  if (outside) {
    throw new ModelError(
      `${fileName}: post_processor asks for token type ${outside.typeId}, expected one of the model's ${tokenTypes}`,
    );
  }
  return pieces;
}
