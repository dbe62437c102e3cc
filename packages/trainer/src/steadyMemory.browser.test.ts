import { openCompute } from '@chorale/compute';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { seededRandom } from '@chorale/testing/seededRandom';
import { test } from 'vitest';
import { expectSteadyMemory } from './testing/steadyMemory.ts';
import { tinyTraining } from './testing/tinyTraining.ts';

// tfjs keeps GPU buffers and textures by exact size and never frees them: bounded only while shapes are few. The counters
// are exact, so that one leak in a step shows after one; webgpu in software takes half a second a step
test.each([
  ['webgl', 500],
  ['webgpu', 50],
] as const)('on %s %i steps hold no more memory than 25', { timeout: 600_000 }, async (backend, steps) => {
  const compute = await openCompute(backend, { wasmUrls });
  const { options, parameters, classifier } = tinyTraining(compute);
  await expectSteadyMemory(
    compute,
    parameters,
    { ...options, random: seededRandom(1), microBatchSize: 4 },
    steps,
  );
  classifier.dispose();
});
