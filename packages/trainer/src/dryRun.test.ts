import { openCompute } from '@chorale/compute';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { describe, expect, test } from 'vitest';
import { sumGradients } from './clientUpdate.ts';
import type { DryRunOptions } from './dryRun.ts';
import { dryRun, paddedLengths } from './dryRun.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { mechanismOf } from '@chorale/privacy';
import { shapesOf } from './testing/shapesOf.ts';
import { planOf, randomExamples, twoBuckets } from './testing/randomTraining.ts';

/** On the tiny model with two padded lengths, 16 and 24. */
async function tinyDryRun(strategy: Parameters<typeof twoBuckets>[0] = 'ffa-lora') {
  const compute = await openCompute('cpu');
  const classifier = new SequenceClassifier(compute, tinyModel(1), twoBuckets(strategy));
  const options: DryRunOptions = { compute, classifier, plan: planOf(), microBatchSize: 4 };
  return { compute, classifier, options };
}

describe('the lengths a batch can be padded to, the longest first', () => {
  test.each([
    [8, [8]],
    [16, [16]],
    [24, [24, 16]],
    [128, [128, 64, 32, 16]],
    [600, [600, 512, 256, 128, 64, 32, 16]],
  ])('%i tokens: %j', (maxTokens, expected) => {
    expect(paddedLengths(maxTokens)).toEqual(expected);
  });
});

describe.each(['ffa-lora', 'lora', 'rolora'] as const)('%s', (strategy) => {
  test.each(['example', 'contributor'] as const)(
    'no round under unit %s asks the device for a shape that it has not tried',
    async (unit) => {
      const { compute, classifier, options } = await tinyDryRun(strategy);
      const plan = planOf({ unit });
      const shapes = shapesOf(compute);
      await dryRun({ ...options, plan });
      const tried = shapes.asked();
      expect(tried.size).toBeGreaterThan(20);
      const parameters = new Float32Array(classifier.layout.parameterCount).fill(0.1);
      for (const range of classifier.layout.trainedRanges) {
        for (const maxTokens of [5, 16, 20, 24]) {
          const batch = randomExamples(11, maxTokens, { maxTokens });
          await compute.guard(() =>
            sumGradients(parameters, batch, mechanismOf(plan), { ...options, range }),
          );
        }
      }
      expect([...shapes.asked()].filter((shape) => !tried.has(shape))).toEqual([]);
      classifier.dispose();
    },
  );
});

test('a run that counts with its rows tries that too, and everything is freed', async () => {
  const { compute, classifier, options } = await tinyDryRun();
  const liveBefore = compute.ops.liveTensors();
  let scored = 0;
  const { logits } = classifier;
  classifier.logits = (...given) => {
    scored += 1;
    return logits.apply(classifier, given);
  };
  await dryRun(options);
  expect(scored).toBe(0);
  const shown: number[] = [];
  const plan = planOf({ localMetricsNoiseMultiplier: 2 });
  await dryRun({ ...options, plan, onProgress: (fraction) => shown.push(fraction) });
  expect(scored).toBe(2);
  expect(shown).toEqual([0, 0.25, 0.5, 0.75, 1]);
  expect(compute.ops.liveTensors()).toBe(liveBefore);
  classifier.dispose();
});

test('a device without room for the longest texts says so in the first step', async () => {
  const { compute, classifier, options } = await tinyDryRun();
  const liveBefore = compute.ops.liveTensors();
  const { attention } = compute.ops;
  compute.ops.attention = (q, ...others) => {
    if (q.shape[0] >= 4 * 24) throw new RangeError('Array buffer allocation failed');
    return attention(q, ...others);
  };
  const shown: number[] = [];
  await expect(dryRun({ ...options, onProgress: (fraction) => shown.push(fraction) })).rejects.toMatchObject({
    name: 'DeviceError',
    failure: 'memory',
  });
  expect(shown).toEqual([0]);
  await dryRun({ ...options, microBatchSize: 2 });
  expect(compute.ops.liveTensors()).toBe(liveBefore);
  classifier.dispose();
});
