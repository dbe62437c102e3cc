import type { Checkpoint, ModelFiles } from '@chorale/model';
import { ModelError, tokenizerJsonOf } from '@chorale/model';
import type { RunConfig } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';

/** What of a tokenizer.json is read here; a checkpoint that could be opened has it in this form. */
type Tokens = {
  model: { vocab: Record<string, number> };
  added_tokens?: { id: number; content: string; special?: boolean }[] | null;
};

/**
 * Checks that a model can do a run's task with every text there may be: that the longest sequence has positions, that pairs
 * have a form, and that no text comes to a token without an embedding. Otherwise a plan would promise what no tab does,
 * and a single text could end a round.
 * @param files the checkpoint's
 * @throws {ChoraleError} CONFIG_INVALID; {ModelError} the tokenizer does not fit the task or the model; {RangeError}
 *   task.maxTokens has no room for the special tokens
 */
export function checkTask(
  files: ModelFiles,
  { config: { maxPositions, vocabSize }, tokenizer }: Checkpoint,
  { maxTokens, textPair }: RunConfig['task'],
): void {
  if (maxTokens > maxPositions) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `task.maxTokens: expected at most ${maxPositions}, as many tokens as the model has positions for (config.json: max_position_embeddings), got ${maxTokens}`,
    );
  }
  tokenizer.encode('', textPair ? '' : null, maxTokens);
  const { model, added_tokens } = JSON.parse(new TextDecoder().decode(tokenizerJsonOf(files))) as Tokens;
  const added = added_tokens ?? [];
  // Special ones are never found in texts; those that the tokenizer writes itself are checked when it is opened
  const special = new Set(added.filter((token) => token.special).map(({ content }) => content));
  const inTexts = [
    ...Object.entries(model.vocab),
    ...added.map(({ content, id }): [string, number] => [content, id]),
  ].filter(([content]) => !special.has(content));
  const outside = inTexts.find(([, id]) => id >= vocabSize);
  if (outside === undefined) return;
  const [content, id] = outside;
  throw new ModelError(
    `tokenizer: token ${JSON.stringify(content)} has id ${id}, expected ids below ${vocabSize}, the number of the model's embeddings (config.json: vocab_size); use the tokenizer that belongs to the model`,
  );
}
