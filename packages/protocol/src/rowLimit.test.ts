import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { LARGEST_BATCH_FACTOR, rowLimit } from './rowLimit.ts';

const limitOf = (expectedBatchSize: number, samplingRate: number) =>
  rowLimit({ training: { expectedBatchSize, samplingRate } });

test.each([
  [32, 0.05, 2560], // 4 · 32 / 0.05
  [8, 0.1, 320],
  [60, 1, 240],
  [1, 0.3, 13], // 13.3
  [0.1, 1, 1], // 0.4: never none at all
])('expected batch %s at sampling rate %s: %s rows', (expectedBatchSize, samplingRate, rows) => {
  expect(limitOf(expectedBatchSize, samplingRate)).toBe(rows);
});

test('property: the mean batch of so many rows is at most four times the expected one, of one row more it is over', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1e6, noNaN: true }),
      fc.double({ min: 1e-4, max: 1, noNaN: true }),
      (expectedBatchSize, samplingRate) => {
        const rows = limitOf(expectedBatchSize, samplingRate);
        const most = LARGEST_BATCH_FACTOR * expectedBatchSize;
        expect(rows * samplingRate).toBeLessThanOrEqual(most * (1 + 1e-12));
        expect((rows + 1) * samplingRate).toBeGreaterThan(most * (1 - 1e-12));
      },
    ),
  );
});
