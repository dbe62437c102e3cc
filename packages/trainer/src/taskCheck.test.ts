import type { ModelFiles } from '@chorale/model';
import { readTinyEncoder } from '@chorale/model/testing/tinyEncoder';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import type { RunConfigInput } from '@chorale/protocol';
import { expect, test } from 'vitest';
import { describeAdapter } from './adapterFacts.ts';
import { tinyRun } from './testing/tinyRun.ts';

const described = (files: ModelFiles, task: Partial<RunConfigInput['task']> = {}) =>
  describeAdapter(files, tinyRun({ task: { ...tinyRun().task, ...task } }));

type TokenizerFile = {
  added_tokens: unknown[];
  post_processor: { pair?: unknown };
  model: { vocab: Record<string, number> };
};

function withTokenizer(change: (tokenizer: TokenizerFile) => void): ModelFiles {
  const files = tinyModel();
  const tokenizer = JSON.parse(new TextDecoder().decode(files.get('tokenizer.json'))) as TokenizerFile;
  change(tokenizer);
  return files.set('tokenizer.json', new TextEncoder().encode(JSON.stringify(tokenizer)));
}

test('a sequence may be as long as the model has positions, and no longer', async () => {
  await described(tinyModel(), { maxTokens: 32 });
  const roberta = tinyModel(1, undefined, { architecture: 'roberta' });
  await described(roberta, { maxTokens: 32 });
  for (const [files, maxTokens, limit] of [
    [tinyModel(), 33, 32],
    // Its table has 33 positions, and no token takes the first
    [roberta, 33, 32],
    [await readTinyEncoder(), 512, 128],
  ] as const) {
    await expect(described(files, { maxTokens })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(
        new RegExp(
          `^task\\.maxTokens: expected at most ${limit}, .*max_position_embeddings.* got ${maxTokens}$`,
        ),
      ) as string,
    });
  }
});

test('pairs need a tokenizer that has a form for them', async () => {
  await described(tinyModel(), { textPair: true });
  const singles = withTokenizer(({ post_processor }) => delete post_processor.pair);
  await described(singles);
  await expect(described(singles, { textPair: true })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: expect.stringMatching(/no form for pairs.* textPair/) as string,
  });
});

test('no text may come to a token without an embedding', async () => {
  const token = (content: string, id: number, special: boolean) => ({ content, id, special });
  // 16 embeddings, for the ids 0 to 15. A special token is never found in a text
  await described(withTokenizer((file) => file.added_tokens.push(token('[MASK]', 16, true))));
  for (const files of [
    withTokenizer((file) => void (file.model.vocab['beyond'] = 16)),
    withTokenizer((file) => file.added_tokens.push(token('beyond', 16, false))),
  ]) {
    await expect(described(files)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/"beyond" has id 16, expected ids below 16.*vocab_size/) as string,
    });
  }
});
