import type { BackendName } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import type { ModelFiles } from '@chorale/model';
import { MODEL_FILE_NAMES } from '@chorale/model';
import { randomValues } from '@chorale/testing/randomValues';
import { expect, test } from 'vitest';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { randomExamples, randomModel, twoBuckets } from './testing/randomTraining.ts';
import { checkRowsStandAlone } from './testing/rowCases.ts';

const BACKENDS: BackendName[] = ['webgpu', 'webgl', 'wasm'];

async function tinyEncoder(): Promise<ModelFiles> {
  const files: ModelFiles = new Map();
  for (const name of MODEL_FILE_NAMES) {
    const response = await fetch(`/assets/models/tiny-encoder/${name}`);
    expect(response.ok).toBe(true);
    files.set(name, new Uint8Array(await response.arrayBuffer()));
  }
  return files;
}

test.each(BACKENDS)(
  'on %s a gradient row does not depend on the other rows, bit by bit',
  { timeout: 240_000 },
  async (backend) => {
    const compute = await openCompute(backend, { wasmUrls });
    expect(compute.backend).toBe(backend);
    const options = { rowCounts: [2, 16], trials: 2 };
    for (const seed of [1, 2]) {
      const model = randomModel(compute, seed, ['lora', 0]);
      const check = () => checkRowsStandAlone(compute, model, randomExamples(40, seed), options);
      expect(await compute.guard(check)).toBe(4);
      model.classifier.dispose();
    }
    // The embedded model: kernels choose other programs for its sizes
    const classifier = new SequenceClassifier(compute, await tinyEncoder(), twoBuckets('lora'));
    const { parameterCount, trainedRanges } = classifier.layout;
    const model = { classifier, parameters: randomValues(parameterCount, 5, 0.05), range: trainedRanges[0]! };
    const examples = randomExamples(20, 4, { vocabulary: 1000 });
    const check = () => checkRowsStandAlone(compute, model, examples, { rowCounts: [16], trials: 2 });
    expect(await compute.guard(check)).toBe(2);
    classifier.dispose();
  },
);
