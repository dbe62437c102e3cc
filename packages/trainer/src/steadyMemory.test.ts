import { readFileSync } from 'node:fs';
import { openCompute } from '@chorale/compute';
import type { ModelFiles } from '@chorale/model';
import { MODEL_FILE_NAMES } from '@chorale/model';
import type { TrainedRange } from '@chorale/lora';
import { initialParameters } from '@chorale/lora';
import { seededRandom } from '@chorale/testing/seededRandom';
import { expect, test } from 'vitest';
import { openAdapter } from './adapterFacts.ts';
import { privacyPlanOf } from './privacyPlan.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { expectSteadyMemory } from './testing/steadyMemory.ts';
import { tinyRun } from './testing/tinyRun.ts';
import { silence, tinyTraining } from './testing/tinyTraining.ts';

const STEPS = 500;
const MODEL = new URL('../../../assets/models/tiny-encoder/', import.meta.url);

// The embedded encoder: one activation kept by mistake in each step would be 32 MB in the end, which the heap shows
test(
  '500 steps of the embedded encoder on wasm hold no more memory than 25',
  { timeout: 120_000 },
  async () => {
    const compute = await openCompute('wasm');
    const files: ModelFiles = new Map(
      MODEL_FILE_NAMES.map((name) => [name, new Uint8Array(readFileSync(new URL(name, MODEL)))]),
    );
    const config = tinyRun({
      task: { type: 'sequence-classification', labels: ['bad', 'good'], maxTokens: 16, pooling: 'mean' },
    });
    const classifier = new SequenceClassifier(compute, files, config);
    const { layout, basis, head } = openAdapter(files, config);
    const texts = ['a gripping story', 'dull', 'not one of the better films of this year', 'warm and funny'];
    await expectSteadyMemory(
      compute,
      initialParameters(layout, { basis, head }),
      {
        compute,
        classifier,
        examples: texts.map((text, i) => ({
          sequence: classifier.encode(text, null).sequence,
          label: i % 2,
        })),
        range: layout.trainedRanges[0]!,
        plan: privacyPlanOf({ config, noiseMultiplier: 1 }),
        random: seededRandom(1),
        noise: silence,
        microBatchSize: 8,
      },
      STEPS,
    );
    classifier.dispose();
  },
);

test('a tensor left behind in a step is found', async () => {
  const compute = await openCompute('wasm');
  const { options, parameters, classifier } = tinyTraining(compute);
  const leaky = {
    factorsOf: (range: TrainedRange) => classifier.factorsOf(range),
    exampleGradients: (...given: Parameters<SequenceClassifier['exampleGradients']>) => {
      const result = classifier.exampleGradients(...given);
      compute.ops.add(result.losses, result.losses);
      return result;
    },
  };
  await expect(expectSteadyMemory(compute, parameters, { ...options, classifier: leaky }, 2)).rejects.toThrow(
    /after 2 steps/,
  );
  classifier.dispose();
});
