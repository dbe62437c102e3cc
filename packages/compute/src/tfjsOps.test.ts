import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { openCompute } from './compute.ts';
import { checkOpsCase, opsCases } from './testing/opsCases.ts';

for (const backend of ['cpu', 'wasm'] as const) {
  describe(`operations on ${backend}`, () => {
    test.each(opsCases)('$name', async (opsCase) => {
      const compute = await openCompute(backend);
      expect(tf.getBackend()).toBe(backend);
      expect(await checkOpsCase(compute.ops, opsCase)).toBeLessThan(1e-4);
    });
  });
}
