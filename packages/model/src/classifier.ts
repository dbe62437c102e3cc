import type { Ops, Tensor } from '@chorale/compute';
import type { TokenBatch } from './batch.ts';

export type Pooling = 'mean' | 'cls';

/**
 * Weights with which token vectors are pooled to one vector per example.
 * @returns [N, T]; each row sums to 1
 */
export function poolingWeights(ops: Ops, batch: TokenBatch, pooling: Pooling): Tensor {
  const { exampleCount, tokens, mask } = batch;
  const weights = new Float32Array(exampleCount * tokens);
  for (let i = 0; i < exampleCount; i++) {
    if (pooling === 'cls') {
      weights[i * tokens] = 1;
      continue;
    }
    const row = mask.subarray(i * tokens, (i + 1) * tokens);
    const count = row.reduce((sum, real) => sum + real, 0);
    row.forEach((real, t) => (weights[i * tokens + t] = real / count));
  }
  return ops.tensor(weights, [exampleCount, tokens]);
}

/** A linear classifier without bias over pooled vectors: pooled [N, d] times headWeight [d, C] → logits [N, C]. */
export function classify(ops: Ops, pooled: Tensor, headWeight: Tensor): Tensor {
  return ops.matMul(pooled, headWeight);
}

/**
 * Backward pass of `classify`.
 * @param dLogits [N, C]
 * @returns dPooled [N, d], and the per-example gradient of the head's weight [N, d*C]
 */
export function classifyBackward(
  ops: Ops,
  dLogits: Tensor,
  pooled: Tensor,
  headWeight: Tensor,
): { dPooled: Tensor; headGradient: Tensor } {
  return {
    dPooled: ops.matMulNT(dLogits, headWeight),
    // One pooled vector per example is a sequence of one token
    headGradient: ops.perExampleOuter(pooled, dLogits, dLogits.shape[0]),
  };
}

/** Class indices as one-hot rows, [N, C]. */
export function oneHotLabels(ops: Ops, labels: readonly number[], classCount: number): Tensor {
  const values = new Float32Array(labels.length * classCount);
  labels.forEach((label, i) => (values[i * classCount + label] = 1));
  return ops.tensor(values, [labels.length, classCount]);
}
