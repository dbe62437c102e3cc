import { openCompute } from '@chorale/compute';
import type { Compute } from '@chorale/compute';
import type { RunConfigInput } from '@chorale/protocol';
import { TARGET_MODULES } from '@chorale/protocol';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import { describe, expect, test } from 'vitest';
import type { Example } from './sequenceClassifier.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { TINY_TEXTS, tinyRun } from './testing/tinyRun.ts';

const task: RunConfigInput['task'] = {
  type: 'sequence-classification',
  labels: ['bad', 'good', 'mixed'],
  maxTokens: 8,
};
const adapter: NonNullable<RunConfigInput['adapter']> = {
  rank: 2,
  alpha: 3,
  targetModules: [...TARGET_MODULES],
  head: 'trained',
  seed: 2,
};

function examplesOf(classifier: SequenceClassifier): Example[] {
  return TINY_TEXTS.map((text, i) => ({ sequence: classifier.encode(text).sequence, label: i % 3 }));
}

/** Gradients as one row per example, and losses. */
async function gradientsOf(
  { ops }: Compute,
  classifier: SequenceClassifier,
  parameters: Float32Array,
  examples: readonly Example[],
  rowCount = examples.length,
): Promise<{ rows: Float32Array[]; losses: Float32Array }> {
  const { gradients, losses } = classifier.exampleGradients(parameters, examples, rowCount);
  expect(gradients.shape).toEqual([rowCount, parameters.length]);
  const flat = await ops.read(gradients);
  const result = {
    rows: Array.from({ length: rowCount }, (_, i) =>
      flat.slice(i * parameters.length, (i + 1) * parameters.length),
    ),
    losses: await ops.read(losses),
  };
  ops.dispose([gradients, losses]);
  return result;
}

/** Per-example losses in float64 from the classifier's own logits. */
async function lossesAt(
  classifier: SequenceClassifier,
  parameters: Float32Array,
  examples: readonly Example[],
) {
  const logits = await classifier.logits(
    parameters,
    examples.map((example) => example.sequence),
  );
  const classes = logits.length / examples.length;
  return examples.map(({ label }, n) => {
    const powers = Array.from({ length: classes }, (_, c) => Math.exp(logits[n * classes + c]!));
    return Math.log(powers.reduce((sum, power) => sum + power, 0)) - Math.log(powers[label]!);
  });
}

describe.each(['mean', 'cls'] as const)('with %s pooling', (pooling) => {
  test('gradients of every module and the head are those of finite differences, example by example', async () => {
    const compute = await openCompute('cpu');
    const classifier = new SequenceClassifier(
      compute,
      tinyModel(),
      tinyRun({ task: { ...task, pooling }, adapter }),
    );
    const { layout } = classifier;
    const examples = examplesOf(classifier);
    const parameters = randomValues(layout.parameterCount, 3, 0.7);
    const { rows, losses } = await gradientsOf(compute, classifier, parameters, examples);
    expectClose(losses, await lossesAt(classifier, parameters, examples), 1e-6, 'losses');

    /** Central differences with two steps, extrapolated: error of the order of step^4 and of float32 over step. */
    const differences = async (index: number): Promise<number[]> => {
      const original = parameters[index]!;
      const slope = async (step: number) => {
        parameters[index] = original + step;
        const up = parameters[index];
        const above = await lossesAt(classifier, parameters, examples);
        parameters[index] = original - step;
        const below = await lossesAt(classifier, parameters, examples);
        const width = up - parameters[index];
        parameters[index] = original;
        return above.map((loss, n) => (loss - below[n]!) / width);
      };
      const [wide, narrow] = [await slope(0.04), await slope(0.02)];
      return narrow.map((value, n) => (4 * value - wide[n]!) / 3);
    };
    const tensors = [
      ...layout.modules.map(({ name, offset, outDim }) => ({ name, offset, size: layout.rank * outDim })),
      { name: 'head', offset: layout.head.offset, size: layout.head.rows * layout.head.columns },
    ];
    expect(tensors.length).toBe(13);
    for (const { name, offset, size } of tensors) {
      const indices = [0, Math.floor(size / 2) - 1, size - 1].map((i) => offset + i);
      for (const index of indices) {
        const numeric = await differences(index);
        // A gradient that is zero everywhere would agree with anything that does not matter
        expect(Math.max(...numeric.map(Math.abs)), `${name} matters to some example`).toBeGreaterThan(1e-3);
        expectClose(
          rows.map((row) => row[index]!),
          numeric,
          2e-3,
          `${name}, parameter ${index}`,
        );
      }
    }
    classifier.dispose();
  });
});

describe.each(['cpu', 'wasm'] as const)('on %s', (backend) => {
  test('a batch gives the same gradients as its examples one by one', async () => {
    const compute = await openCompute(backend);
    const classifier = new SequenceClassifier(compute, tinyModel(), tinyRun({ task, adapter }));
    const examples = examplesOf(classifier);
    const parameters = randomValues(classifier.layout.parameterCount, 4, 0.7);
    const together = await gradientsOf(compute, classifier, parameters, examples);
    for (const [n, example] of examples.entries()) {
      const alone = await gradientsOf(compute, classifier, parameters, [example]);
      expectClose(together.rows[n]!, alone.rows[0]!, 1e-5, `example ${n}`);
      expect(together.losses[n]).toBeCloseTo(alone.losses[0]!, 5);
    }
    classifier.dispose();
  });

  test('padding rows and other examples change nothing', async () => {
    const compute = await openCompute(backend);
    const classifier = new SequenceClassifier(compute, tinyModel(), tinyRun({ task, adapter }));
    const examples = examplesOf(classifier);
    const parameters = randomValues(classifier.layout.parameterCount, 5, 0.7);
    const plain = await gradientsOf(compute, classifier, parameters, examples);
    const padded = await gradientsOf(compute, classifier, parameters, examples, examples.length + 3);
    const others = [...examples.slice(0, 2), ...examples.slice(2).toReversed()];
    const mixed = await gradientsOf(compute, classifier, parameters, others);
    for (const n of examples.keys()) expectClose(padded.rows[n]!, plain.rows[n]!, 1e-6, `row ${n}`);
    for (const n of [0, 1]) expectClose(mixed.rows[n]!, plain.rows[n]!, 1e-6, `row ${n} among others`);
    expect(padded.rows.every((row) => row.every(Number.isFinite))).toBe(true);
    classifier.dispose();
  });

  test('nothing is left on the device', async () => {
    const compute = await openCompute(backend);
    const liveBefore = compute.ops.liveTensors();
    const classifier = new SequenceClassifier(compute, tinyModel(), tinyRun({ task, adapter }));
    const parameters = randomValues(classifier.layout.parameterCount, 6);
    const liveLoaded = compute.ops.liveTensors();
    await gradientsOf(compute, classifier, parameters, examplesOf(classifier));
    await lossesAt(classifier, parameters, examplesOf(classifier));
    expect(compute.ops.liveTensors()).toBe(liveLoaded);
    classifier.dispose();
    expect(compute.ops.liveTensors()).toBe(liveBefore);
  });
});

test('a frozen head has no gradient and stays as it is', async () => {
  const compute = await openCompute('cpu');
  const run = tinyRun({ task, adapter: { ...adapter, targetModules: ['query'], head: 'frozen' } });
  const classifier = new SequenceClassifier(compute, tinyModel(), run);
  expect(classifier.layout.parameterCount).toBe(2 * 2 * 8);
  const parameters = randomValues(classifier.layout.parameterCount, 8);
  const { rows } = await gradientsOf(compute, classifier, parameters, examplesOf(classifier));
  expect(rows.every((row) => row.some((value) => value !== 0))).toBe(true);
  classifier.dispose();
});

test('encode cuts and says so', async () => {
  const compute = await openCompute('cpu');
  const classifier = new SequenceClassifier(compute, tinyModel(), tinyRun({ task }));
  expect(classifier.encode('good film')).toEqual({ sequence: Uint32Array.of(2, 4, 7, 3), cut: false });
  expect(classifier.encode('a a a a a a')).toMatchObject({ cut: false });
  expect(classifier.encode('a a a a a a a')).toEqual({
    sequence: Uint32Array.of(2, 6, 6, 6, 6, 6, 6, 3),
    cut: true,
  });
  classifier.dispose();
  // 32 positions are all the model has, whatever the task wants
  const long = new SequenceClassifier(compute, tinyModel(), tinyRun({ task: { ...task, maxTokens: 512 } }));
  expect(long.encode('a '.repeat(100)).sequence.length).toBe(32);
  const { losses } = await gradientsOf(compute, long, new Float32Array(long.layout.parameterCount), [
    { sequence: long.encode('a '.repeat(100)).sequence, label: 0 },
  ]);
  expect(losses[0]).toBeCloseTo(Math.log(3), 5);
  long.dispose();
});
