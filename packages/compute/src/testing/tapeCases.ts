import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import * as tf from '@tensorflow/tfjs-core';
import type { Activation, Ops, Tensor } from '../ops.ts';
import type { CaseDevice } from './opsCase.ts';
import { withoutLeaks } from './opsCase.ts';
import './tapeGradients.ts';

/** A gradient by our operations and by tfjs's tape over tfjs operations, on the same device. */
export type TapeCase = {
  name: string;
  /** Shapes of what is differentiated. */
  inputs: number[][];
  /** Shape of the result. */
  output: number[];
  forward: (...inputs: tf.Tensor[]) => tf.Tensor;
  /** Gradients for the inputs, in their order. */
  gradients: (ops: Ops, inputs: Tensor[], upstream: Tensor) => Tensor[];
};

const TOLERANCE = 5e-6;

/** @throws {Error} a gradient is not the tape's, or a tensor was left alive */
export async function checkTapeCase(device: CaseDevice, tapeCase: TapeCase): Promise<void> {
  const { inputs, output, forward, gradients } = tapeCase;
  const { ops } = device;
  await withoutLeaks(device, async () => {
    const { ours, tape } = ops.scope(() => {
      const at = inputs.map((shape, i) => tensor(ops, 100 + i, shape));
      const upstream = tensor(ops, 99, output);
      return { ours: gradients(ops, at, upstream), tape: tf.grads(forward)(at, upstream) };
    });
    for (const [i, wanted] of tape.entries()) {
      expectClose(await ops.read(ours[i]!), await ops.read(wanted), TOLERANCE, `gradient of input ${i}`);
    }
    ops.dispose([ours, tape]);
  });
}

function tensor(ops: Ops, seed: number, shape: number[]): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return ops.tensor(randomValues(count, seed, 1.5), shape);
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

const TAPE_ACTIVATIONS: Record<Activation, (x: tf.Tensor) => tf.Tensor> = {
  gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1)),
  'gelu-tanh': (x) => {
    const inner = tf.mul(tf.add(x, tf.mul(tf.pow(x, 3), 0.044715)), SQRT_2_OVER_PI);
    return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
  },
  relu: (x) => tf.relu(x),
  tanh: (x) => tf.tanh(x),
};

const N = 3;
const T = 7;
const D = 10;
const HEADS = 2;
const ROWS = N * T;

function heads(rows: tf.Tensor): tf.Tensor {
  return tf.transpose(tf.reshape(rows, [N, T, HEADS, D / HEADS]), [0, 2, 1, 3]);
}

/** Constants of a case are made inside, where the scope frees them. */
export const tapeCases: readonly TapeCase[] = [
  {
    name: 'linear',
    inputs: [[ROWS, D]],
    output: [ROWS, 13],
    forward: (x) => tf.matMul(x, tf.tensor2d(randomValues(D * 13, 1), [D, 13])),
    gradients: (ops, _, dy) => {
      const frozen = ops.frozenMatrix(randomValues(D * 13, 1), D, 13);
      return [ops.linearBackward(dy, frozen)];
    },
  },
  {
    name: 'layerNorm',
    inputs: [[ROWS, D]],
    output: [ROWS, D],
    forward: (x) => {
      const { mean, variance } = tf.moments(x, 1, true);
      const normalized = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
      return tf.add(tf.mul(normalized, tf.tensor1d(randomValues(D, 2))), 0.5);
    },
    gradients: (ops, [x], dy) => {
      const gain = ops.tensor(randomValues(D, 2), [D]);
      const { saved } = ops.layerNorm(x!, gain, ops.tensor(new Float32Array(D), [D]), 1e-5);
      return [ops.layerNormBackward(dy, gain, saved)];
    },
  },
  ...Object.entries(TAPE_ACTIVATIONS).map(([kind, forward]): TapeCase => ({
    name: kind,
    inputs: [[ROWS, D]],
    output: [ROWS, D],
    forward,
    gradients: (ops, [x], dy) => {
      const { saved } = ops.activation(kind as Activation, x!);
      return [ops.activationBackward(kind as Activation, dy, saved)];
    },
  })),
  {
    name: 'attention',
    inputs: [
      [ROWS, D],
      [ROWS, D],
      [ROWS, D],
    ],
    output: [ROWS, D],
    forward: (q, k, v) => {
      const scores = tf.div(tf.matMul(heads(q), heads(k), false, true), Math.sqrt(D / HEADS));
      const probabilities = tf.softmax(tf.add(scores, tf.tensor4d(maskBias(), [N, 1, 1, T])));
      return tf.reshape(tf.transpose(tf.matMul(probabilities, heads(v)), [0, 2, 1, 3]), [ROWS, D]);
    },
    gradients: (ops, [q, k, v], dContext) => {
      const { saved } = ops.attention(q!, k!, v!, ops.tensor(maskBias(), [N, 1, 1, T]), HEADS);
      const { dq, dk, dv } = ops.attentionBackward(dContext, saved);
      return [dq, dk, dv];
    },
  },
  {
    name: 'poolTokens',
    inputs: [[ROWS, D]],
    output: [N, D],
    forward: (x) => {
      const weights = tf.tensor3d(randomValues(ROWS, 3), [N, T, 1]);
      return tf.sum(tf.mul(tf.reshape(x, [N, T, D]), weights), 1);
    },
    gradients: (ops, _, dPooled) => [
      ops.poolTokensBackward(dPooled, ops.tensor(randomValues(ROWS, 3), [N, T])),
    ],
  },
  {
    name: 'softmaxCrossEntropy',
    inputs: [[N, 4]],
    output: [N],
    forward: (logits) => tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.tensor2d(oneHot(), [N, 4])), 1)),
    gradients: (ops, [logits], upstream) => {
      const { dLogits } = ops.softmaxCrossEntropy(logits!, ops.tensor(oneHot(), [N, 4]));
      return [tf.mul(dLogits, tf.expandDims(upstream, 1))];
    },
  },
  {
    // The tape knows a gradient for each example only if each has its own copy of the matrix
    name: 'perExampleOuter against a copy of the matrix for each example',
    inputs: [[N, 5, D]],
    output: [N, T, D],
    forward: (copies) => tf.matMul(tf.tensor3d(randomValues(ROWS * 5, 4), [N, T, 5]), copies),
    gradients: (ops, _, dy) => [
      ops.perExampleOuter(ops.tensor(randomValues(ROWS * 5, 4), [ROWS, 5]), tf.reshape(dy, [ROWS, D]), N),
    ],
  },
];

/** The examples have 7, 4 and 1 real tokens. */
function maskBias(): Float32Array {
  return Float32Array.from({ length: ROWS }, (_, i) => (i % T < [7, 4, 1][Math.floor(i / T)]! ? 0 : -1e9));
}

function oneHot(): Float32Array {
  return Float32Array.of(0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0);
}
