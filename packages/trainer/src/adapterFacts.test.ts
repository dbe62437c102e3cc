import { readSafetensors } from '@chorale/model';
import { readTinyEncoder } from '@chorale/model/testing/tinyEncoder';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import type { RunConfigInput } from '@chorale/protocol';
import { openCompute } from '@chorale/compute';
import { describe, expect, test } from 'vitest';
import { describeAdapter, exportPeft, openAdapter } from './adapterFacts.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { tinyRun } from './testing/tinyRun.ts';

test('the facts of the embedded model, rank 8, seed 1', async () => {
  const facts = await describeAdapter(
    await readTinyEncoder(),
    tinyRun({ adapter: { rank: 8, seed: 1, head: 'frozen' } }),
  );
  // The hash is that of packages/lora/src/basis.test.ts, derived independently
  expect(facts.basisHash).toBe('20cbccd233824c82e2d2b06a2c5d688a16f04ca0e2fd2ec2765543cc1ffdd648');
  expect(facts.parameterCount).toBe(2 * 2 * 8 * 128);
  expect(facts.tensors).toEqual(
    [0, 1].flatMap((layer) =>
      ['query', 'value'].map((module) => ({
        name: `encoder.layer.${layer}.attention.self.${module}.lora_B`,
        count: 8 * 128,
      })),
    ),
  );
  expect(facts.initialParameters).toEqual(new Float32Array(4096));
  expect(facts.trainedRanges).toEqual([{ start: 0, end: 4096 }]);
});

test('facts do not depend on anything but model and adapter', async () => {
  const first = await describeAdapter(tinyModel(), tinyRun());
  expect(await describeAdapter(tinyModel(), tinyRun({ name: 'another' }))).toEqual(first);
  const other = await describeAdapter(tinyModel(), tinyRun({ adapter: { rank: 2, seed: 2 } }));
  expect(other.basisHash).not.toBe(first.basisHash);
});

test('what was derived of a model before is used again for the same adapter only', async () => {
  const files = tinyModel();
  const hashOf = async (adapter: Partial<NonNullable<RunConfigInput['adapter']>>) =>
    (await describeAdapter(files, tinyRun({ adapter: { rank: 2, seed: 1, ...adapter } }))).basisHash;
  const first = await hashOf({});
  const others: Parameters<typeof hashOf>[0][] = [
    { seed: 2 },
    { basis: 'kaiming' },
    { basis: 'svd' },
    { rank: 3 },
    { targetModules: ['query', 'output.dense'] },
  ];
  const hashes = [];
  for (const other of others) hashes.push(await hashOf(other));
  expect(new Set([first, ...hashes]).size).toBe(6);
  expect(await hashOf({ alpha: 100, strategy: 'lora', head: 'frozen' })).toBe(first);
  expect(openAdapter(files, tinyRun()).basis).toBe(openAdapter(files, tinyRun({ name: 'b' })).basis);
});

test.each([
  ['ffa-lora', [{ start: 0, end: 82 }]],
  ['lora', [{ start: 0, end: 146 }]],
  [
    'rolora',
    [
      { start: 0, end: 82 },
      { start: 64, end: 146 },
    ],
  ],
] as const)('the facts of %s', async (strategy, trainedRanges) => {
  const facts = await describeAdapter(tinyModel(), tinyRun({ adapter: { rank: 2, seed: 1, strategy } }));
  expect(facts.trainedRanges).toEqual(trainedRanges);
  expect(facts.parameterCount).toBe(trainedRanges.at(-1)!.end);
  expect(facts.initialParameters.length).toBe(facts.parameterCount);
  expect(facts.tensors.reduce((sum, { count }) => sum + count, 0)).toBe(facts.parameterCount);
});

test('an adapter that does not fit the model is refused', async () => {
  await expect(describeAdapter(tinyModel(), tinyRun({ adapter: { rank: 9 } }))).rejects.toThrow(/at most 8/);
});

test('the export of a run names its model and labels', async () => {
  const config = tinyRun();
  const { initialParameters } = await describeAdapter(tinyModel(), config);
  const files = exportPeft(tinyModel(), config, initialParameters, {
    baseModel: 'org/base',
    revision: 'abc',
  });
  expect(JSON.parse(new TextDecoder().decode(files.get('adapter_config.json')))).toMatchObject({
    base_model_name_or_path: 'org/base',
    revision: 'abc',
    chorale: { strategy: 'ffa-lora', labels: ['bad', 'good'], pooling: 'mean', textPair: false },
  });
  const tensors = readSafetensors(files.get('adapter_model.safetensors')!);
  expect(
    tensors.get('base_model.model.bert.encoder.layer.1.attention.self.value.lora_B.weight')!.values,
  ).toEqual(new Float32Array(16));
});

describe("a classifier that knows its classes' names", () => {
  /** The tiny model with a classifier for these classes. */
  const modelOf = (names: string[]) => {
    const files = tinyModel(1, undefined, { classCount: names.length });
    const config = JSON.parse(new TextDecoder().decode(files.get('config.json'))) as object;
    const id2label = Object.fromEntries(names.map((name, i) => [i, name]));
    return files.set('config.json', new TextEncoder().encode(JSON.stringify({ ...config, id2label })));
  };
  const run = (labels: string[], head: 'trained' | 'frozen') =>
    tinyRun({
      task: { type: 'sequence-classification', labels, maxTokens: 8, pooling: 'mean' },
      adapter: { rank: 2, seed: 1, head },
    });
  const scores = async (files: ReturnType<typeof modelOf>, config: ReturnType<typeof run>) => {
    const { initialParameters } = await describeAdapter(files, config);
    const model = new SequenceClassifier(await openCompute('cpu'), files, config);
    const { sequence } = model.encode('good film', null);
    const logits = await model.logits(initialParameters, [sequence]);
    model.dispose();
    return [...logits];
  };

  test.each(['trained', 'frozen'] as const)(
    'a %s head scores the labels in their own order',
    async (head) => {
      const files = modelOf(['NEGATIVE', 'POSITIVE']);
      const straight = await scores(files, run(['negative', 'positive'], head));
      expect(straight[0]).not.toBe(straight[1]);
      expect(await scores(files, run(['positive', 'negative'], head))).toEqual(straight.toReversed());
    },
  );

  test('the export has the columns of its id2label', async () => {
    const files = modelOf(['NEGATIVE', 'POSITIVE']);
    const exported = async (labels: string[], head: 'trained' | 'frozen') => {
      const config = run(labels, head);
      const { initialParameters } = await describeAdapter(files, config);
      const peft = exportPeft(files, config, initialParameters, { baseModel: 'tiny', revision: null });
      const { chorale } = JSON.parse(new TextDecoder().decode(peft.get('adapter_config.json'))) as {
        chorale: { id2label: object };
      };
      const tensors = readSafetensors(peft.get('adapter_model.safetensors')!);
      return {
        names: Object.values(chorale.id2label) as string[],
        bias: [...tensors.get('base_model.model.classifier.bias')!.values],
      };
    };
    const own = readSafetensors(files.get('model.safetensors')!).get('classifier.bias')!.values;
    for (const head of ['trained', 'frozen'] as const) {
      expect(await exported(['positive', 'negative'], head)).toEqual({
        names: ['positive', 'negative'],
        bias: [own[1], own[0]],
      });
    }
  });

  test('a frozen head of other classes is refused by the server and by a tab', async () => {
    const files = modelOf(['spam', 'ham']);
    const config = run(['negative', 'positive'], 'frozen');
    const message = /classes spam, ham; expected the task's labels negative, positive/;
    await expect(describeAdapter(files, config)).rejects.toThrow(message);
    const compute = await openCompute('cpu');
    expect(() => new SequenceClassifier(compute, files, config)).toThrow(message);
    const { initialParameters } = await describeAdapter(files, run(['negative', 'positive'], 'trained'));
    const fresh = await describeAdapter(tinyModel(), run(['negative', 'positive'], 'trained'));
    expect(initialParameters).toEqual(fresh.initialParameters);
  });
});
