import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { openCompute } from './compute.ts';
import { checkOpsCase } from './testing/opsCase.ts';
import { opsCases } from './testing/opsCases.ts';
import { createTfjsOps } from './tfjsOps.ts';

for (const backend of ['cpu', 'wasm'] as const) {
  describe(`operations on ${backend}`, () => {
    test.each(opsCases)('$name', async (opsCase) => {
      const compute = await openCompute(backend);
      expect(tf.getBackend()).toBe(backend);
      expect(await checkOpsCase(compute, opsCase)).toBeLessThan(1e-4);
    });
  });
}

// What a device without SIMD computes with
describe('operations on wasm without kernels of ours', () => {
  test.each(opsCases)('$name', async (opsCase) => {
    const { guard } = await openCompute('wasm');
    const ops = createTfjsOps({ storeTransposed: true });
    expect(await checkOpsCase({ ops, guard }, opsCase)).toBeLessThan(1e-4);
  });
});
