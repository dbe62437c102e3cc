import type { FrozenMatrix, Ops, Tensor, TensorTree } from '@chorale/compute';
import type { TokenBatch } from '../batch.ts';
import type { Checkpoint } from '../checkpoint.ts';

/** One vector per example: the mean over its real tokens, or its first token's. */
export type Pooling = 'mean' | 'cls';

/** A checkpoint's dense module over the first token's vector, on the device; frozen. */
export type Pooler = { weight: FrozenMatrix; bias: Tensor; activation: 'tanh' | 'relu' };

/** What `poolBackward` needs. It borrows the pooler and lives as long as the scope `pool` was called in. */
export type PoolSaved = {
  /** [N, T] */
  weights: Tensor;
  dense: { pooler: Pooler; activation: Tensor } | null;
};

/**
 * Uploads the checkpoint's pooler, which was trained on the first token's vector.
 * @returns null for mean pooling, and when the checkpoint has none
 */
export function uploadPooler(
  ops: Ops,
  { config, pooler }: Pick<Checkpoint, 'config' | 'pooler'>,
  pooling: Pooling,
): Pooler | null {
  if (pooling === 'mean' || pooler === null) return null;
  const { hiddenSize } = config;
  return {
    weight: ops.frozenMatrix(pooler.weight, hiddenSize, hiddenSize),
    bias: ops.tensor(pooler.bias, [hiddenSize]),
    activation: pooler.activation,
  };
}

/** Frees the pooler's device memory. */
export function disposePooler(ops: Ops, pooler: Pooler | null): void {
  if (pooler) ops.dispose([pooler.weight, pooler.bias] as TensorTree);
}

/**
 * Pools token vectors to one vector per example, through the pooler if there is one. Call inside `ops.scope`.
 * @param hidden [N*T, d]
 * @returns pooled [N, d], and what `poolBackward` needs
 */
export function pool(
  ops: Ops,
  {
    hidden,
    batch,
    pooling,
    pooler,
  }: { hidden: Tensor; batch: TokenBatch; pooling: Pooling; pooler: Pooler | null },
): { pooled: Tensor; saved: PoolSaved } {
  const weights = poolingWeights(ops, batch, pooling);
  const pooled = ops.poolTokens(hidden, weights); // [N, d]
  if (!pooler) return { pooled, saved: { weights, dense: null } };
  const { y, saved } = ops.activation(pooler.activation, ops.linear(pooled, pooler.weight, pooler.bias));
  return { pooled: y, saved: { weights, dense: { pooler, activation: saved } } };
}

/**
 * Backward pass of `pool`.
 * @param dPooled [N, d]
 * @returns dHidden [N*T, d]
 */
export function poolBackward(ops: Ops, dPooled: Tensor, { weights, dense }: PoolSaved): Tensor {
  if (!dense) return ops.poolTokensBackward(dPooled, weights);
  const { pooler, activation } = dense;
  const dLinear = ops.activationBackward(pooler.activation, dPooled, activation);
  return ops.poolTokensBackward(ops.linearBackward(dLinear, pooler.weight), weights);
}

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
