import type { BackendName } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import type { ClippingRule } from '@chorale/privacy';
import { describe, expect, test } from 'vitest';
import {
  checkContributorSensitivity,
  checkSensitivity,
  sumsByMicroBatchSize,
} from './testing/sensitivityCases.ts';

const RULES: ClippingRule[] = ['flat', 'automatic'];
const SIZES = [1, 4, 8, 16];

describe.each<BackendName>(['cpu', 'wasm'])('on %s', (backend) => {
  test.each(RULES.flatMap((rule) => SIZES.map((size) => [rule, size] as const)))(
    '%s clipping, micro-batches of %s: one example more adds its own integers, of norm at most C',
    { timeout: 120_000 },
    async (rule, microBatchSize) => {
      const compute = await openCompute(backend);
      let [least, most] = [Infinity, 0];
      for (const seed of [1, 3]) {
        const seen = await checkSensitivity(compute, { seed, rule, microBatchSize, additions: 4 });
        least = Math.min(least, seen.least);
        most = Math.max(most, seen.most);
      }
      // Some gradients were clipped, up to what truncation takes, and with flat clipping some were not
      expect(most).toBeGreaterThan(0.99);
      expect(least).toBeLessThan(rule === 'flat' ? 0.9 : 1);
    },
  );

  test('the sum is the same for every micro-batch size, to the last unit', async () => {
    const compute = await openCompute(backend);
    for (const seed of [1, 2, 3]) {
      expect(await sumsByMicroBatchSize(compute, { seed, sizes: SIZES, count: 20 })).toBe(0);
    }
  });

  test.each(RULES)('unit contributor, %s clipping: two changes are at most 2C apart', async (rule) => {
    const compute = await openCompute(backend);
    let largest = 0;
    for (const seed of [1, 2]) {
      largest = Math.max(largest, await checkContributorSensitivity(compute, { seed, rule }));
    }
    expect(largest).toBeGreaterThan(1.5);
  });
});
