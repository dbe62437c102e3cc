import { openCompute } from '@chorale/compute';
import { heldMemory } from '@chorale/compute/testing/deviceCounters';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { mechanismOf } from '@chorale/privacy';
import { expect, test } from 'vitest';
import { sumGradients } from './clientUpdate.ts';
import { dryRun } from './dryRun.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { planOf, randomExamples, twoBuckets } from './testing/randomTraining.ts';

// Known answers, one matrix of 4 KiB for each readback of a step, are as many as its micro-batches
const KNOWN_ANSWERS_BYTES = 16 * 4096;

test.each(['webgl', 'webgpu'] as const)(
  'on %s a round takes no more of the device than the dry run did',
  { timeout: 120_000 },
  async (backend) => {
    const compute = await openCompute(backend, { wasmUrls });
    const classifier = new SequenceClassifier(compute, tinyModel(1), twoBuckets());
    const plan = planOf();
    const microBatchSize = 16;
    const before = heldMemory().bytes!;
    await dryRun({ compute, classifier, plan, microBatchSize });
    const tried = heldMemory().bytes!;
    expect(tried - before).toBeGreaterThan(4 * KNOWN_ANSWERS_BYTES);
    const parameters = new Float32Array(classifier.layout.parameterCount).fill(0.1);
    const range = classifier.layout.trainedRanges[0]!;
    for (const maxTokens of [24, 5, 16, 24]) {
      const batch = randomExamples(40, maxTokens, { maxTokens });
      const options = { compute, classifier, range, microBatchSize };
      await compute.guard(() => sumGradients(parameters, batch, mechanismOf(plan), options));
    }
    expect(heldMemory().bytes! - tried).toBeLessThanOrEqual(KNOWN_ANSWERS_BYTES);
    classifier.dispose();
  },
);
