import { openCompute } from '@chorale/compute';
import { expect, test } from 'vitest';
import { padBatch } from './batch.ts';
import { oneHotLabels, poolingWeights } from './classifier.ts';

test('pooling weights: the mean over real tokens, or the first token', async () => {
  const { ops } = await openCompute('cpu');
  const batch = padBatch([Uint32Array.of(2, 7, 8, 3), Uint32Array.of(2, 3)], {
    maxTokens: 4,
    padTokenId: 0,
    exampleCount: 3,
  });
  const read = async (pooling: 'mean' | 'cls') => {
    const weights = poolingWeights(ops, batch, pooling);
    expect(weights.shape).toEqual([3, 4]);
    const values = await ops.read(weights);
    ops.dispose(weights);
    return [...values];
  };
  expect(await read('mean')).toEqual([0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0, 0, 1, 0, 0, 0]);
  expect(await read('cls')).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
});

test('one-hot labels', async () => {
  const { ops } = await openCompute('cpu');
  const oneHot = oneHotLabels(ops, [2, 0], 3);
  expect(oneHot.shape).toEqual([2, 3]);
  expect([...(await ops.read(oneHot))]).toEqual([0, 0, 1, 1, 0, 0]);
  ops.dispose(oneHot);
});
