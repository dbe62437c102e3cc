import type { BackendName } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import type { ClippingRule } from '@chorale/privacy';
import { describe, expect, test } from 'vitest';
import { TURNS } from './testing/randomTraining.ts';
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

  test.each(TURNS)(
    '%s, turn %s: one example more adds its own integers, of norm at most C',
    { timeout: 120_000 },
    async (...turn) => {
      const compute = await openCompute(backend);
      const options = { seed: 1, rule: 'flat', microBatchSize: 4, additions: 4, turn } as const;
      const { most } = await checkSensitivity(compute, options);
      expect(most).toBeGreaterThan(0.99);
    },
  );

  test.each(TURNS)(
    '%s, turn %s: the sum is the same for every micro-batch size, to the last unit',
    async (...turn) => {
      const compute = await openCompute(backend);
      for (const seed of [1, 2, 3]) {
        const options = { seed, sizes: [16, 8, 5, 4, 2, 1], count: 20, turn };
        expect(await sumsByMicroBatchSize(compute, options)).toBe(0);
      }
    },
  );

  // The clipping is the CPU's: the slow backend needs not do all of it again
  const turns = backend === 'wasm' ? TURNS : TURNS.slice(0, 1);
  test.each(RULES.flatMap((rule) => turns.map((turn) => [rule, ...turn] as const)))(
    'unit contributor, %s clipping, %s, turn %s: two changes are at most 2C apart',
    async (rule, ...turn) => {
      const compute = await openCompute(backend);
      let largest = 0;
      for (const seed of [1, 2]) {
        largest = Math.max(largest, await checkContributorSensitivity(compute, { seed, rule, turn }));
      }
      expect(largest).toBeGreaterThan(1.5);
    },
  );
});
