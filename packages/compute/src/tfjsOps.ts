import * as tf from '@tensorflow/tfjs-core';
import type { Ops, Tensor } from './ops.ts';
import { ACTIVATIONS } from './tfjsActivations.ts';

/**
 * The operations on whatever tfjs backend is set. It runs on webgpu, webgl, wasm and cpu and is the reference that
 * faster kernels are tested against. It uses neither `dataSync` (it kills headless GPU processes) nor `addN`
 * (eight inputs exceed the default binding limit and return stale bytes), nor tfjs's tape; see compute.md, section 2.
 * @param storeTransposed keep frozen weights in both orientations
 */
export function createTfjsOps({ storeTransposed }: { storeTransposed: boolean }): Ops {
  return {
    tensor: (values, shape) => tf.tensor(values.slice(), shape, 'float32'),
    read: async (tensor) => Float32Array.from(await tensor.data()),
    dispose: (tree) => tf.dispose(tree as tf.TensorContainer),
    scope: (body) => tf.tidy(body as () => tf.TensorContainer) as ReturnType<typeof body>,
    liveTensors: () => tf.memory().numTensors,

    frozenMatrix(values, inDim, outDim) {
      const weight = tf.tensor2d(values.slice(), [inDim, outDim], 'float32');
      return { inDim, outDim, weight, transposed: storeTransposed ? tf.transpose(weight) : null };
    },
    linear: (x, { weight }, bias) => product(x, weight, { bias }),
    linearBackward: (dy, { weight, transposed }) =>
      transposed ? product(dy, transposed) : product(dy, weight, { transposeB: true }),

    matMul: (a, b) => product(a, b),
    matMulNT: (a, b) => product(a, b, { transposeB: true }),
    add: (a, b) => tf.add(a, b),
    addBias: (x, bias) => tf.add(x, bias),
    scale: (a, factor) => tf.mul(a, factor),

    layerNorm(x, gain, bias, epsilon) {
      const centered = tf.sub(x, tf.mean(x, -1, true)); // [M, d]
      const variance = tf.mean(tf.square(centered), -1, true); // [M, 1]
      const inverseStd = tf.rsqrt(tf.add(variance, epsilon)); // [M, 1]
      const normalized = tf.mul(centered, inverseStd); // [M, d]
      return { y: tf.add(tf.mul(normalized, gain), bias), saved: { normalized, inverseStd } };
    },
    layerNormBackward(dy, gain, { normalized, inverseStd }) {
      // dx = (g - mean(g) - n * mean(g * n)) / std, with g = dy * gain and n the normalised input
      const g = tf.mul(dy, gain); // [M, d]
      const projected = tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true));
      return tf.mul(tf.sub(tf.sub(g, tf.mean(g, -1, true)), projected), inverseStd);
    },

    activation: (kind, x) => ACTIVATIONS[kind].forward(x),
    activationBackward: (kind, dy, saved) => ACTIVATIONS[kind].backward(dy, saved),

    attention(qRows, kRows, vRows, maskBias, heads) {
      const exampleCount = maskBias.shape[0];
      const q = splitHeads(qRows, exampleCount, heads); // [N, heads, T, headDim]
      const k = splitHeads(kRows, exampleCount, heads);
      const v = splitHeads(vRows, exampleCount, heads);
      const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape[3]!)); // [N, heads, T, T]
      const probabilities = tf.softmax(tf.add(scores, maskBias));
      return { context: mergeHeads(tf.matMul(probabilities, v)), saved: { q, k, v, probabilities } };
    },
    attentionBackward(dContextRows, { q, k, v, probabilities }) {
      const dContext = splitHeads(dContextRows, q.shape[0], q.shape[1]!); // [N, heads, T, headDim]
      const dProbabilities = tf.matMul(dContext, v, false, true); // [N, heads, T, T]
      const weighted = tf.mul(dProbabilities, probabilities);
      const dScores = tf.mul(
        tf.sub(weighted, tf.mul(probabilities, tf.sum(weighted, -1, true))),
        1 / Math.sqrt(q.shape[3]!),
      );
      return {
        dq: mergeHeads(tf.matMul(dScores, k)),
        dk: mergeHeads(tf.matMul(dScores, q, true, false)),
        dv: mergeHeads(tf.matMul(probabilities, dContext, true, false)),
      };
    },

    poolTokens(x, weights) {
      const [exampleCount, tokens] = weights.shape as [number, number];
      const perToken = tf.mul(tf.reshape(x, [exampleCount, tokens, -1]), tf.expandDims(weights, 2));
      return tf.sum(perToken, 1); // [N, d]
    },
    poolTokensBackward(dPooled, weights) {
      const spread = tf.mul(tf.expandDims(dPooled, 1), tf.expandDims(weights, 2)); // [N, T, d]
      return tf.reshape(spread, [-1, dPooled.shape[1]!]);
    },

    softmaxCrossEntropy(logits, oneHot) {
      const shifted = tf.sub(logits, tf.max(logits, -1, true));
      const logSum = tf.log(tf.sum(tf.exp(shifted), -1, true)); // [N, 1]
      const logProbabilities = tf.sub(shifted, logSum);
      const losses = tf.neg(tf.sum(tf.mul(logProbabilities, oneHot), -1)); // [N]
      return { losses, dLogits: tf.sub(tf.exp(logProbabilities), oneHot) };
    },

    perExampleOuter(x, dy, exampleCount) {
      const x3 = evenTokens(tf.reshape(x, [exampleCount, -1, x.shape[1]!])); // [N, T, a]
      const dy3 = evenTokens(tf.reshape(dy, [exampleCount, -1, dy.shape[1]!])); // [N, T, b]
      return tf.reshape(tf.matMul(x3, dy3, true, false), [exampleCount, -1]);
    },
    packExamples: (gradients) => (gradients.length === 1 ? tf.clone(gradients[0]!) : tf.concat(gradients, 1)),
    squaredNorms: (gradients) => sumInStretches(tf.square(gradients)),
    weightedSum: (gradients, factors) =>
      sumRows(factors, maskUnused(gradients, tf.tensor2d(factors.slice(), [factors.length, 1], 'float32'))),
    truncatedSum(gradients, factors) {
      const weights = tf.tensor2d(factors.slice(), [factors.length, 1], 'float32');
      const scaled = tf.mul(maskUnused(gradients, weights), weights); // [N, P]
      // There is no truncation, but the conversion to integers truncates on every backend
      const whole = tf.cast(tf.cast(scaled, 'int32'), 'float32');
      return sumRows(new Float32Array(factors.length).fill(1), whole);
    },
    matrixAt: (flat, offset, rows, columns) =>
      tf.reshape(tf.slice(flat, [offset], [rows * columns]), [rows, columns]),
  };
}

/** tfjs's WebGPU backend cuts longer inner products into parts (BatchMatMul_impl, `innerShapeB >= 2000`). */
const LONGEST_WHOLE_PRODUCT = 1999;
const WEBGPU_PROGRAM_FLAG = 'WEBGPU_MATMUL_PROGRAM_TYPE';
/** `MatMulProgramType.MatMulPackedProgram`, which tfjs does not export. */
const WEBGPU_PACKED_PROGRAM = 3;

/**
 * a times b, or b transposed, with every inner product added up in a fixed order. On webgpu the parts of a long one would
 * be joined by atomic additions, in whatever order they come; then the same gradient would differ from one time to the
 * next, and with it what one example adds to a sum of grid units.
 */
function product(
  a: Tensor,
  b: Tensor,
  { transposeB = false, bias }: { transposeB?: boolean; bias?: Tensor } = {},
): Tensor {
  // The bias in the same kernel: a dispatch less
  const multiply = () =>
    bias ? tf.fused.matMul({ a, b, bias, transposeB }) : tf.matMul(a, b, false, transposeB);
  if (tf.getBackend() !== 'webgpu' || a.shape[1]! <= LONGEST_WHOLE_PRODUCT) return multiply();
  const before = tf.env().getNumber(WEBGPU_PROGRAM_FLAG);
  tf.env().set(WEBGPU_PROGRAM_FLAG, WEBGPU_PACKED_PROGRAM);
  try {
    return multiply();
  } finally {
    tf.env().set(WEBGPU_PROGRAM_FLAG, before);
  }
}

const STRETCH = 256;

/** Row sums of x [N, P]. Each level of stretches adds at most 256 roundings of 2^-24 to the relative error. */
function sumInStretches(x: Tensor): Tensor {
  const [rows, columns] = x.shape as [number, number];
  if (columns <= STRETCH) return tf.sum(x, 1);
  const missing = (STRETCH - (columns % STRETCH)) % STRETCH;
  const noPadding: [number, number] = [0, 0];
  const padded = missing === 0 ? x : tf.pad(x, [noPadding, [0, missing]]);
  return sumInStretches(tf.sum(tf.reshape(padded, [rows, -1, STRETCH]), 2));
}

/** Rows of x [N, P] whose weight [N, 1] is 0 become zeros, whatever was in them. */
function maskUnused(x: Tensor, weights: Tensor): Tensor {
  return tf.where(tf.broadcastTo(tf.notEqual(weights, 0), x.shape), x, tf.zerosLike(x));
}

/** Sum over the rows of x [N, P] with a weight each → [P]. */
function sumRows(weights: Float32Array, x: Tensor): Tensor {
  const row = tf.tensor2d(weights.slice(), [1, weights.length], 'float32');
  return tf.reshape(tf.matMul(row, x as tf.Tensor2D), [-1]);
}

/**
 * x [N, T, a] with one row of zeros more where T is odd, on webgl only: it keeps two rows in one texel, what lies in the
 * unused half of the last one need not be zero, and its matrix product adds it up.
 */
function evenTokens(x: tf.Tensor3D): tf.Tensor3D {
  if (tf.getBackend() !== 'webgl' || x.shape[1] % 2 === 0) return x;
  const none: [number, number] = [0, 0];
  return tf.pad(x, [none, [0, 1], none]);
}

function splitHeads(rows: Tensor, exampleCount: number, heads: number): Tensor {
  const headDim = rows.shape[1]! / heads;
  return tf.transpose(tf.reshape(rows, [exampleCount, -1, heads, headDim]), [0, 2, 1, 3]);
}

function mergeHeads(split: Tensor): Tensor {
  const [exampleCount, heads, tokens, headDim] = split.shape as [number, number, number, number];
  return tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [exampleCount * tokens, heads * headDim]);
}
