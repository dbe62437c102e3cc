import type { TokenBatch } from '../batch.ts';
import type { Encoder } from './encoder.ts';

/**
 * Sum of word, position and token type embeddings, gathered on the CPU: the tables are frozen and would not fit the
 * binding limit of some GPUs (compute.md, section 1.4).
 * @returns [N*T, hiddenSize]
 * @throws {RangeError} an id, a position or a token type the model has no embedding for
 */
export function gatherEmbeddings({ config, embeddings }: Encoder, batch: TokenBatch): Float32Array {
  const { hiddenSize, maxPositions } = config;
  const { ids, typeIds, tokens } = batch;
  if (tokens > maxPositions) {
    throw new RangeError(
      `a batch of ${tokens} tokens, expected at most the model's ${maxPositions} positions`,
    );
  }
  const rows = new Float32Array(ids.length * hiddenSize);
  const positions = positionIds(config, batch);
  for (let row = 0; row < ids.length; row++) {
    const at = row * hiddenSize;
    embeddings.word.addRow(ids[row]!, rows, at);
    embeddings.position.addRow(positions[row]!, rows, at);
    embeddings.tokenType?.addRow(typeIds[row]!, rows, at);
  }
  return rows;
}

/**
 * Row of the position table for each token, [N*T]. BERT and DistilBERT count 0, 1, 2, …; RoBERTa counts from
 * padTokenId + 1 the tokens whose id is not padTokenId, and gives padTokenId to the others, wherever they stand.
 * @see `create_position_ids_from_input_ids` of the transformers library
 */
function positionIds(
  { architecture, positionOffset, padTokenId }: Encoder['config'],
  { ids, tokens }: TokenBatch,
): Uint32Array {
  if (architecture !== 'roberta') return Uint32Array.from(ids, (_, row) => row % tokens);
  let position = positionOffset;
  return Uint32Array.from(ids, (id, row) => {
    if (row % tokens === 0) position = positionOffset;
    return id === padTokenId ? padTokenId : position++;
  });
}
