import type { Ops, Tensor } from '@chorale/compute';

/** A linear classifier on the device; d = hidden size, C = classes. */
export type Head = {
  /** [d, C] */
  weight: Tensor;
  /** [C] */
  bias: Tensor;
};

/** pooled [N, d] times the head's weight plus its bias → logits [N, C]. */
export function classify(ops: Ops, pooled: Tensor, { weight, bias }: Head): Tensor {
  return ops.addBias(ops.matMul(pooled, weight), bias);
}

/**
 * Backward pass of `classify`.
 * @param dLogits [N, C]
 * @returns dPooled [N, d], and the per-example gradients of the head's weight [N, d*C] and bias [N, C]; the bias's is
 *   dLogits itself
 */
export function classifyBackward(
  ops: Ops,
  dLogits: Tensor,
  pooled: Tensor,
  { weight }: Pick<Head, 'weight'>,
): { dPooled: Tensor; weightGradient: Tensor; biasGradient: Tensor } {
  return {
    dPooled: ops.matMulNT(dLogits, weight),
    // One pooled vector per example is a sequence of one token
    weightGradient: ops.perExampleOuter(pooled, dLogits, dLogits.shape[0]),
    biasGradient: dLogits,
  };
}

/** Class indices as one-hot rows, [N, C]. */
export function oneHotLabels(ops: Ops, labels: readonly number[], classCount: number): Tensor {
  const values = new Float32Array(labels.length * classCount);
  labels.forEach((label, i) => (values[i * classCount + label] = 1));
  return ops.tensor(values, [labels.length, classCount]);
}
