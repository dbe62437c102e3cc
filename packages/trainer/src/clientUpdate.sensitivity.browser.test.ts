import type { BackendName, Compute } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { describe, expect, test } from 'vitest';
import { checkSensitivity, sumsByMicroBatchSize } from './testing/sensitivityCases.ts';

async function open(backend: BackendName): Promise<Compute> {
  const compute = await openCompute(backend, { wasmUrls });
  expect(compute.backend).toBe(backend);
  return compute;
}

// cpu and wasm: clientUpdate.sensitivity.test.ts, in Node
describe.each<BackendName>(['webgpu', 'webgl'])('on %s', (backend) => {
  test.each([
    ['flat', 1, 8],
    ['flat', 4, 12],
    ['flat', 16, 12],
    ['automatic', 8, 12],
  ] as const)(
    '%s clipping, micro-batches of %s: one example more adds its own integers, of norm at most C',
    { timeout: 240_000 },
    async (rule, microBatchSize, pool) => {
      const compute = await open(backend);
      const options = { seed: 3, rule, microBatchSize, additions: 2, pool };
      const { additions, least, most } = await checkSensitivity(compute, options);
      expect(additions).toBe(2);
      expect(most).toBeGreaterThan(0.5);
      console.info(`${backend}, ${rule}, ${microBatchSize}: norms from ${least} to ${most} of C`);
    },
  );

  test.each([
    ['lora', 0],
    ['rolora', 1],
  ] as const)('%s, turn %s: one example more adds its own integers, of norm at most C', async (...turn) => {
    const compute = await open(backend);
    const options = { seed: 3, rule: 'flat', microBatchSize: 4, additions: 2, pool: 12, turn } as const;
    const { most } = await checkSensitivity(compute, options);
    expect(most).toBeGreaterThan(0.5);
  });

  // webgpu takes other programs for other shapes, which round differently: a truncation may fall one unit apart
  test.each([
    ['ffa-lora', 0],
    ['lora', 0],
  ] as const)(
    '%s, turn %s: the sum is the same for every micro-batch size, but for one unit per example on webgpu',
    async (...turn) => {
      const compute = await open(backend);
      const options = { seed: 3, sizes: [16, 5, 2, 1], count: 6, turn };
      const difference = await sumsByMicroBatchSize(compute, options);
      console.info(`${backend}: sums of other micro-batch sizes differ by ${difference} units at most`);
      expect(difference).toBeLessThanOrEqual(backend === 'webgpu' ? options.count : 0);
    },
  );
});
