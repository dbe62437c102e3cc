import { openCompute } from '@chorale/compute';
import { expect, test } from 'vitest';
import { padBatch } from '../batch.ts';
import { oneHotLabels } from './classifier.ts';
import { poolingWeights } from './pooler.ts';

const plain = (...ids: number[]) => ({ ids: Uint32Array.from(ids), typeIds: new Uint8Array(ids.length) });

test('pooling weights: the mean over real tokens, or the first token', async () => {
  const { ops } = await openCompute('cpu');
  const batch = padBatch([plain(2, 7, 8, 3), plain(2, 3)], {
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
