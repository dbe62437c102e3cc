import * as tf from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { randomValues } from '@chorale/testing/randomValues';
import { describe, expect, test, vi } from 'vitest';
import { BACKEND_ORDER } from './backendProbe.ts';
import { openCompute } from './compute.ts';
import { checkOpsCase } from './testing/opsCase.ts';
import { opsCases } from './testing/opsCases.ts';
import { checkTapeCase, tapeCases } from './testing/tapeCases.ts';
import { createTfjsOps } from './tfjsOps.ts';
import { startWasmKernels } from './wasm/wasmKernels.ts';
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
      worst = Math.max(worst, await checkOpsCase(compute, opsCase));
    });

    test.each(tapeCases)("gradient of $name is the tape's", async (tapeCase) => {
      const compute = await openCompute(backend, { wasmUrls });
      await checkTapeCase(compute, tapeCase);
    });

    test('the largest difference over all operations', () => {
      console.info(`${backend}: largest relative difference from float64 ${worst.toExponential(2)}`);
      expect(worst).toBeGreaterThan(0);
    });
  });
}

test('our kernels start on wasm, so that the operations above were theirs', async () => {
  await openCompute('wasm', { wasmUrls });
  expect(startWasmKernels()).not.toBeNull();
});

// What a device without SIMD computes with
describe('operations on wasm without kernels of ours', () => {
  test.each(opsCases)('$name', async (opsCase) => {
    const { guard } = await openCompute('wasm', { wasmUrls });
    const ops = createTfjsOps({ storeTransposed: true });
    expect(await checkOpsCase({ ops, guard }, opsCase)).toBeLessThan(1e-4);
  });
});

// As wide as the inner layer of a large encoder
test('long products on webgpu are added up in one order, without atomic additions', async () => {
  const { ops, guard } = await openCompute('webgpu', { wasmUrls });
  const inDim = 2048;
  const dispatched = vi.spyOn(tf.backend() as WebGPUBackend, 'runWebGPUProgram');
  await guard(async () => {
    const x = ops.tensor(randomValues(16 * inDim, 1), [16, inDim]);
    const frozen = ops.frozenMatrix(randomValues(inDim * 32, 2), inDim, 32);
    const wide = ops.frozenMatrix(randomValues(32 * inDim, 3), 32, inDim);
    const bias = ops.tensor(new Float32Array(32), [32]);
    const results = [ops.linear(x, frozen, bias), ops.linearBackward(x, wide)];
    for (const result of results) expect((await ops.read(result)).every(Number.isFinite)).toBe(true);
    ops.dispose([x, frozen.weight, wide.weight, bias, ...results]);
  });
  const programs = dispatched.mock.calls.map(([program]) => program.shaderKey);
  dispatched.mockRestore();
  expect(programs.filter((key) => key.startsWith('matMulPacked'))).toHaveLength(2);
  expect(programs.filter((key) => key.startsWith('matMulSplitK'))).toEqual([]);
});
