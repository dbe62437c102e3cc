import { openCompute } from '@chorale/compute';
import type { Compute } from '@chorale/compute';
import type { RunConfigInput } from '@chorale/protocol';
import { TARGET_MODULES } from '@chorale/protocol';
import type { StrategyName } from '@chorale/lora';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import { describe, expect, test } from 'vitest';
import { describeAdapter } from './adapterFacts.ts';
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
  return TINY_TEXTS.map((text, i) => ({ sequence: classifier.encode(text, null).sequence, label: i % 3 }));
}

/** Gradients as one row per example, and losses. */
async function gradientsOf(
  { ops }: Compute,
  classifier: SequenceClassifier,
  parameters: Float32Array,
  examples: readonly Example[],
  rowCount = examples.length,
  range = classifier.layout.trainedRanges[0]!,
): Promise<{ rows: Float32Array[]; losses: Float32Array }> {
  const { gradients, losses } = classifier.exampleGradients(parameters, examples, rowCount, range);
  const width = range.end - range.start;
  expect(gradients.shape).toEqual([rowCount, width]);
  const flat = await ops.read(gradients);
  const result = {
    rows: Array.from({ length: rowCount }, (_, i) => flat.slice(i * width, (i + 1) * width)),
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

/**
 * Derivative of each example's loss for one parameter: central differences with two steps, extrapolated; error of the order
 * of step^4 and of float32 over step.
 */
async function differences(
  classifier: SequenceClassifier,
  parameters: Float32Array,
  examples: readonly Example[],
  index: number,
): Promise<number[]> {
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
  const [wide, narrow] = [await slope(0.02), await slope(0.01)];
  return narrow.map((value, n) => (4 * value - wide[n]!) / 3);
}

const POOLINGS = ['mean', 'cls'] as const;
const ARCHITECTURES = ['bert', 'roberta', 'distilbert'] as const;

describe.each(
  ARCHITECTURES.flatMap((architecture) => POOLINGS.map((pooling) => [architecture, pooling] as const)),
)('%s with %s pooling', (architecture, pooling) => {
  test('gradients of every A, every B and the head are those of finite differences, example by example', async () => {
    const compute = await openCompute('cpu');
    const classifier = new SequenceClassifier(
      compute,
      tinyModel(1, undefined, { architecture, classCount: 3 }),
      tinyRun({ task: { ...task, pooling }, adapter: { ...adapter, strategy: 'lora' } }),
    );
    const { layout } = classifier;
    const examples = examplesOf(classifier);
    const parameters = randomValues(layout.parameterCount, 3, 0.5);
    const { rows, losses } = await gradientsOf(compute, classifier, parameters, examples);
    expectClose(losses, await lossesAt(classifier, parameters, examples), 1e-6, 'losses');
    const { rank, modules, head } = layout;
    const tensors = [
      ...modules.map(({ name, offset, outDim }) => ({ name: `B of ${name}`, offset, size: rank * outDim })),
      ...modules.map(({ name, aOffset, inDim }) => ({
        name: `A of ${name}`,
        offset: aOffset!,
        size: rank * inDim,
      })),
      { name: "head's weight", offset: head.offset, size: head.rows * head.columns },
      { name: "head's bias", offset: head.biasOffset, size: head.columns },
    ];
    expect(tensors.reduce((sum, { size }) => sum + size, 0)).toBe(layout.parameterCount);
    for (const { name, offset, size } of tensors) {
      let largest = 0;
      for (const index of [0, Math.floor(size / 2) - 1, size - 1].map((i) => offset + Math.max(0, i))) {
        const numeric = await differences(classifier, parameters, examples, index);
        const most = Math.max(...numeric.map(Math.abs));
        largest = Math.max(largest, most);
        // Of a small derivative float32 leaves less: a unit in the last digit of the loss, over the step
        expectClose(
          rows.map((row) => row[index]!),
          numeric,
          Math.min(0.05, Math.max(2e-3, 2e-5 / most)),
          `${name}, parameter ${index}`,
        );
      }
      // A gradient that is zero everywhere would agree with anything that does not matter
      expect(largest, `${name} matters to some example`).toBeGreaterThan(1e-3);
    }
    classifier.dispose();
  });
});

test.each(['ffa-lora', 'rolora'] as const)(
  "%s: a range's gradients are that part of lora's",
  async (strategy) => {
    const compute = await openCompute('cpu');
    const openFor = (name: StrategyName) =>
      new SequenceClassifier(
        compute,
        tinyModel(),
        tinyRun({ task, adapter: { ...adapter, strategy: name } }),
      );
    const [classifier, lora] = [openFor(strategy), openFor('lora')];
    const examples = examplesOf(lora);
    const parameters = randomValues(lora.layout.parameterCount, 3, 0.7);
    const { initialParameters } = await describeAdapter(
      tinyModel(),
      tinyRun({ task, adapter: { ...adapter, strategy: 'lora' } }),
    );
    const firstA = lora.layout.modules[0]!.aOffset!;
    parameters.set(initialParameters.subarray(firstA), firstA); // the A that ffa-lora has
    const whole = await gradientsOf(compute, lora, parameters, examples);
    for (const range of classifier.layout.trainedRanges) {
      const own = parameters.slice(0, classifier.layout.parameterCount);
      const { rows } = await gradientsOf(compute, classifier, own, examples, examples.length, range);
      rows.forEach((row, n) => expect(row).toEqual(whole.rows[n]!.slice(range.start, range.end)));
    }
    expect(() => classifier.exampleGradients(parameters, examples, 6, { start: 1, end: 5 })).toThrow(
      /no range/,
    );
    for (const one of [classifier, lora]) one.dispose();
  },
);

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
  const sequence = (...ids: number[]) => ({
    ids: Uint32Array.from(ids),
    typeIds: new Uint8Array(ids.length),
  });
  expect(classifier.encode('good film', null)).toEqual({ sequence: sequence(2, 4, 7, 3), cut: false });
  expect(classifier.encode('a a a a a a', null)).toMatchObject({ cut: false });
  expect(classifier.encode('a a a a a a a', null)).toEqual({
    sequence: sequence(2, 6, 6, 6, 6, 6, 6, 3),
    cut: true,
  });
  classifier.dispose();
  // 32 positions are all the model has, whatever the task wants
  const long = new SequenceClassifier(compute, tinyModel(), tinyRun({ task: { ...task, maxTokens: 512 } }));
  const text = 'a '.repeat(100);
  expect(long.encode(text, null).sequence.ids.length).toBe(32);
  expect(long.stepShape.maxTokens).toBe(32);
  const start = new Float32Array(long.layout.parameterCount);
  const { losses } = await gradientsOf(compute, long, start, [
    { sequence: long.encode(text, null).sequence, label: 0 },
  ]);
  expect(losses[0]).toBeCloseTo(Math.log(3), 5);
  long.dispose();
});
