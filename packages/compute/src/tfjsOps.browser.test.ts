import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { BACKEND_ORDER } from './backendProbe.ts';
import { openCompute } from './compute.ts';
import { checkOpsCase, opsCases } from './testing/opsCases.ts';
import { wasmUrls } from './wasmUrls.ts';

// All on one page: tfjs has one backend at a time, so the order of tests is the order of backends.
for (const backend of BACKEND_ORDER) {
  describe(`operations on ${backend}`, () => {
    let worst = 0;

    test('the backend starts', async () => {
      expect((await openCompute(backend, { wasmUrls })).backend).toBe(backend);
      expect(tf.getBackend()).toBe(backend);
    });

    test.each(opsCases)('$name', async (opsCase) => {
      const compute = await openCompute(backend, { wasmUrls });
      // Under the guard, for on webgpu a failed dispatch would give stale bytes, perhaps the right ones
      worst = Math.max(worst, await compute.guard(() => checkOpsCase(compute.ops, opsCase)));
    });

    test('the largest difference over all operations', () => {
      console.info(`${backend}: largest relative difference from float64 ${worst.toExponential(2)}`);
      expect(worst).toBeGreaterThan(0);
    });
  });
}
