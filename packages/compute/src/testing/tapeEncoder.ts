import * as tf from '@tensorflow/tfjs-core';
import type { Tensor } from '../ops.ts';

export type TapeLinear = { weight: Float32Array /* [inDim, outDim] */; bias: Float32Array };
export type TapeNorm = { gain: Float32Array; bias: Float32Array };
export type TapeLayer = {
  query: TapeLinear;
  key: TapeLinear;
  value: TapeLinear;
  attended: TapeLinear;
  attentionNorm: TapeNorm;
  inner: TapeLinear;
  outer: TapeLinear;
  outputNorm: TapeNorm;
  /** A of the adapters on query and value, [d, rank]. */
  queryA: Float32Array;
  valueA: Float32Array;
};

/** A BERT encoder with adapters on query and value and mean pooling, as plain arrays. */
export type TapeModel = {
  sizes: { hiddenSize: number; headCount: number; rank: number; classCount: number; epsilon: number };
  scaling: number;
  embeddingNorm: TapeNorm;
  layers: TapeLayer[];
  head: TapeLinear;
};

/** A batch without padding. */
export type TapeBatch = {
  exampleCount: number;
  tokens: number;
  /** Sums of embeddings, [N*T, d]. */
  embedded: Float32Array;
  labels: number[];
};

/**
 * The same training step as stock tfjs gives it: its own operations, its tape, and a copy of every B for each example, for
 * only so does the tape know a gradient for each. What the hand-written backward pass is measured against.
 * @param model is uploaded; dispose the result
 */
export function tapeEncoder(model: TapeModel) {
  const { hiddenSize: d, headCount: heads, rank, classCount, epsilon } = model.sizes;
  const matrix = (values: Float32Array, rows: number) =>
    tf.tensor2d(values.slice(), [rows, values.length / rows]);
  const linear = ({ weight, bias }: TapeLinear) => ({
    weight: matrix(weight, weight.length / bias.length),
    bias: tf.tensor1d(bias.slice()),
  });
  const norm = ({ gain, bias }: TapeNorm) => ({
    gain: tf.tensor1d(gain.slice()),
    bias: tf.tensor1d(bias.slice()),
  });
  const weights = {
    embeddingNorm: norm(model.embeddingNorm),
    head: linear(model.head),
    layers: model.layers.map((layer) => ({
      query: linear(layer.query),
      key: linear(layer.key),
      value: linear(layer.value),
      attended: linear(layer.attended),
      attentionNorm: norm(layer.attentionNorm),
      inner: linear(layer.inner),
      outer: linear(layer.outer),
      outputNorm: norm(layer.outputNorm),
      queryA: matrix(layer.queryA, d),
      valueA: matrix(layer.valueA, d),
    })),
  };
  type Linear = ReturnType<typeof linear>;
  type Norm = ReturnType<typeof norm>;

  const apply = (x: tf.Tensor, { weight, bias }: Linear) => tf.add(tf.matMul(x, weight), bias);
  const layerNorm = (x: tf.Tensor, { gain, bias }: Norm) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normalized = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
    return tf.add(tf.mul(normalized, gain), bias);
  };
  const gelu = (x: tf.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

  /**
   * @param matrices B of query and value of every layer, [rank, d] each
   * @returns per-example gradients side by side, [N, 2 * layers * rank * d]
   */
  function exampleGradients(batch: TapeBatch, matrices: readonly Float32Array[]): Tensor {
    const { exampleCount: n, tokens: t } = batch;
    const split = (rows: tf.Tensor) => tf.transpose(tf.reshape(rows, [n, t, heads, d / heads]), [0, 2, 1, 3]);
    const adapted = (x: tf.Tensor, base: Linear, a: tf.Tensor, b: tf.Tensor) => {
      const low = tf.matMul(tf.reshape(tf.matMul(x, a), [n, t, rank]), b); // [N, T, d]
      return tf.add(apply(x, base), tf.mul(tf.reshape(low, [n * t, d]), model.scaling));
    };
    const loss = (...copies: tf.Tensor[]): tf.Tensor => {
      const mask = tf.zeros([n, 1, 1, t]);
      let x: tf.Tensor = layerNorm(tf.tensor2d(batch.embedded.slice(), [n * t, d]), weights.embeddingNorm);
      weights.layers.forEach((layer, i) => {
        const q = split(adapted(x, layer.query, layer.queryA, copies[2 * i]!));
        const k = split(apply(x, layer.key));
        const v = split(adapted(x, layer.value, layer.valueA, copies[2 * i + 1]!));
        const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(d / heads));
        const context = tf.matMul(tf.softmax(tf.add(scores, mask)), v);
        const merged = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [n * t, d]);
        x = layerNorm(tf.add(x, apply(merged, layer.attended)), layer.attentionNorm);
        x = layerNorm(tf.add(x, apply(gelu(apply(x, layer.inner)), layer.outer)), layer.outputNorm);
      });
      const logits = apply(tf.mean(tf.reshape(x, [n, t, d]), 1), weights.head);
      const oneHot = tf.oneHot(tf.tensor1d(batch.labels, 'int32'), classCount);
      return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), oneHot)));
    };
    return tf.tidy(() => {
      const copies = matrices.map((b) => tf.tile(tf.tensor3d(b.slice(), [1, rank, d]), [n, 1, 1]));
      return tf.concat(
        tf
          .grads(loss)(copies)
          .map((gradient) => tf.reshape(gradient, [n, rank * d])),
        1,
      );
    });
  }

  return { exampleGradients, dispose: () => tf.dispose(weights) };
}
