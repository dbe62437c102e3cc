import { openCompute } from '@chorale/compute';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import { expect, test } from 'vitest';
import { createEvaluator, evaluatorOn } from './evaluator.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { TINY_TEXTS, tinyRun } from './testing/tinyRun.ts';

/** A model whose every hidden vector is (1, 0, …, 0): the last layer norm has gain 0 and that bias. */
const constantModel = () =>
  tinyModel(1, (weights) => {
    weights.get('bert.encoder.layer.1.output.LayerNorm.weight')!.values.fill(0);
    weights.get('bert.encoder.layer.1.output.LayerNorm.bias')!.values.fill(0).fill(1, 0, 1);
  });

test('accuracy and loss of known scores', async () => {
  const config = tinyRun();
  const labels = [0, 0, 0, 1, 0];
  const evaluator = await createEvaluator({
    files: constantModel(),
    config,
    rows: labels.map((label) => ({ text: 'good film', textPair: null, label })),
    backend: 'cpu',
  });
  const compute = await openCompute('cpu');
  const classifier = new SequenceClassifier(compute, constantModel(), config);
  const parameters = new Float32Array(classifier.layout.parameterCount);
  // The head [8, 2] maps the hidden vector to its first row: scores (2, 0) for everybody
  parameters[classifier.layout.head.offset] = 2;
  classifier.dispose();
  const { accuracy, loss } = await evaluator.evaluate(parameters);
  expect(accuracy).toBe(4 / 5);
  // -log softmax(2, 0) = (ln(1 + e^-2), 2 + ln(1 + e^-2)) = (0.126928, 2.126928)
  expect(loss).toBeCloseTo((4 * 0.126928 + 2.126928) / 5, 5);
  evaluator.dispose();
});

test('more rows than a batch, single texts and pairs, of all lengths: each row is judged by its own scores', async () => {
  const compute = await openCompute('wasm');
  const liveBefore = compute.ops.liveTensors();
  const config = tinyRun({
    task: { type: 'sequence-classification', labels: ['bad', 'good'], maxTokens: 24 },
  });
  const rows = Array.from({ length: 70 }, (_, i) => ({
    text: TINY_TEXTS[(i * 5) % 6]!,
    textPair: i % 3 === 0 ? TINY_TEXTS[i % 6]! : null,
    label: (i * i) % 2,
  }));
  const classifier = new SequenceClassifier(compute, tinyModel(), config);
  const parameters = randomValues(classifier.layout.parameterCount, 12);
  let correct = 0;
  let loss = 0;
  for (const { text, textPair, label } of rows) {
    const { sequence } = classifier.encode(text, textPair);
    const [bad, good] = await classifier.logits(parameters, [sequence]);
    if (Number(good! > bad!) === label) correct += 1;
    loss += Math.log(Math.exp(bad!) + Math.exp(good!)) - [bad!, good!][label]!;
  }
  classifier.dispose();
  expect(correct).toBeGreaterThan(0);
  expect(correct).toBeLessThan(70);
  const evaluator = evaluatorOn(compute, tinyModel(), config, rows);
  const found = await evaluator.evaluate(parameters);
  expect(found.accuracy).toBe(correct / 70);
  expect(found.loss).toBeCloseTo(loss / 70, 5);
  evaluator.dispose();
  expect(compute.ops.liveTensors()).toBe(liveBefore);
});
