import { openCompute } from '@chorale/compute';
import { expect, test, vi } from 'vitest';
import { countCorrect } from './localCounts.ts';
import { POISONED_WORD, tinyTraining } from './testing/tinyTraining.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';

test('counts what the adapter gets right, as one by one', async () => {
  const compute = await openCompute('wasm');
  const { options, parameters, classifier } = tinyTraining(compute);
  const examples = Array.from({ length: 9 }, () => options.examples)
    .flat()
    .map((example, i) => ({ ...example, label: i % 3 === 0 ? 1 : 0 }));
  let correct = 0;
  for (const { sequence, label } of examples) {
    const scores = await classifier.logits(parameters, [sequence]);
    if (SequenceClassifier.bestClass(scores) === label) correct += 1;
  }
  expect(correct).toBeGreaterThan(0);
  expect(correct).toBeLessThan(examples.length);
  expect(await countCorrect(parameters, examples, { compute, classifier })).toEqual({ correct, rows: 54 });
  const flipped = examples.map((example) => ({ ...example, label: 1 - example.label }));
  expect(await countCorrect(parameters, flipped, { compute, classifier })).toEqual({
    correct: 54 - correct,
    rows: 54,
  });
  for (const microBatchSize of [1, 2, 5]) {
    const steps = vi.spyOn(classifier, 'logits');
    const counts = await countCorrect(parameters, examples, { compute, classifier, microBatchSize });
    expect(counts).toEqual({ correct, rows: 54 });
    expect(new Set(steps.mock.calls.map(([, , rowCount]) => rowCount))).toEqual(new Set([microBatchSize]));
    steps.mockRestore();
  }
  await expect(
    countCorrect(parameters, examples, { compute, classifier, microBatchSize: 0 }),
  ).rejects.toThrow(/from 1 to 512/);
  expect(await countCorrect(parameters, [], { compute, classifier })).toEqual({ correct: 0, rows: 0 });
  classifier.dispose();
});

test.each(['cpu', 'wasm'] as const)(
  'on %s zeroing one row out moves each count by at most one, whatever the row',
  async (backend) => {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { poisoned: true });
    const { examples } = options;
    const all = await countCorrect(parameters, examples, { compute, classifier });
    const poisonedId = classifier.encode(POISONED_WORD, null).sequence.ids[1]!;
    expect(examples.filter(({ sequence }) => sequence.ids.includes(poisonedId))).toHaveLength(1);
    for (const left of examples.keys()) {
      const fewer = await countCorrect(parameters, examples.toSpliced(left, 1), { compute, classifier });
      const alone = await countCorrect(parameters, [examples[left]!], { compute, classifier });
      expect(fewer).toEqual({ correct: all.correct - alone.correct, rows: all.rows - 1 });
    }
    classifier.dispose();
  },
);

test('nothing is left on the device', async () => {
  const compute = await openCompute('cpu');
  const before = compute.ops.liveTensors();
  const { options, parameters, classifier } = tinyTraining(compute);
  await countCorrect(parameters, options.examples, { compute, classifier });
  classifier.dispose();
  expect(compute.ops.liveTensors()).toBe(before);
});
