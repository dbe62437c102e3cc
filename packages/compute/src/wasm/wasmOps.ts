import * as tf from '@tensorflow/tfjs-core';
import type { Ops, Tensor } from '../ops.ts';
import { ACTIVATIONS } from '../tfjsActivations.ts';
import type { MatrixView, WasmKernels } from './wasmKernels.ts';
import { transposed } from './wasmKernels.ts';

const FLOAT_BYTES = 4;

/** The operations in which a step on wasm spends its time, in our own kernels; the others stay tfjs's. */
type WasmOps = Pick<
  Ops,
  | 'frozenMatrix'
  | 'linear'
  | 'linearBackward'
  | 'matMul'
  | 'matMulNT'
  | 'layerNorm'
  | 'layerNormBackward'
  | 'activation'
  | 'attention'
  | 'attentionBackward'
  | 'perExampleOuter'
  | 'weightedSum'
  | 'truncatedSum'
>;

/**
 * Why: tfjs's wasm backend multiplies fast only one matrix by another that is not transposed, and has none of the others
 * as one pass over memory (compute.md, section 5).
 */
export function createWasmOps(kernels: WasmKernels): WasmOps {
  const { run } = kernels;
  /** a [M, K] times b [K, L], or b [L, K] transposed, plus an optional bias [L]. */
  const product = (a: Tensor, b: Tensor, transposeB: boolean, bias?: Tensor): Tensor => {
    const [rows, inner] = a.shape as [number, number];
    const columns = b.shape[transposeB ? 0 : 1]!;
    expectShape(b, transposeB ? [columns, inner] : [inner, columns]);
    if (bias) expectShape(bias, [columns]);
    const result = kernels.output([rows, columns]);
    const right = kernels.matrix(b, b.shape[1]!);
    kernels.multiply(
      kernels.matrix(a, inner),
      transposeB ? transposed(right) : right,
      kernels.matrix(result, columns),
      { rows, inner, columns },
      bias && kernels.address(bias),
    );
    return result;
  };

  return {
    // One orientation is enough: packing a panel costs the same from both
    frozenMatrix: (values, inDim, outDim) => ({
      inDim,
      outDim,
      weight: tf.tensor2d(values.slice(), [inDim, outDim], 'float32'),
      transposed: null,
    }),
    linear: (x, { weight }, bias) => product(x, weight, false, bias),
    linearBackward: (dy, { weight }) => product(dy, weight, true),
    matMul: (a, b) => product(a, b, false),
    matMulNT: (a, b) => product(a, b, true),

    layerNorm(x, gain, bias, epsilon) {
      const [rows, width] = x.shape as [number, number];
      expectShape(gain, [width]);
      expectShape(bias, [width]);
      const y = kernels.output([rows, width]);
      const saved = { normalized: kernels.output([rows, width]), inverseStd: kernels.output([rows, 1]) };
      const tensors = [x, gain, bias, y, saved.normalized, saved.inverseStd];
      const addresses = tensors.map((tensor) => kernels.address(tensor));
      run.layerNorm(...addresses, rows, width, epsilon);
      return { y, saved };
    },
    layerNormBackward(dy, gain, { normalized, inverseStd }) {
      const [rows, width] = dy.shape as [number, number];
      expectShape(gain, [width]);
      expectShape(normalized, [rows, width]);
      expectShape(inverseStd, [rows, 1]);
      const dx = kernels.output([rows, width]);
      const addresses = [dy, gain, normalized, inverseStd, dx].map((tensor) => kernels.address(tensor));
      run.layerNormBackward(...addresses, rows, width);
      return dx;
    },

    activation(kind, x) {
      if (kind !== 'gelu' && kind !== 'gelu-tanh') return ACTIVATIONS[kind].forward(x);
      const result = { y: kernels.output(x.shape), saved: kernels.output(x.shape) };
      const addresses = [x, result.y, result.saved].map((tensor) => kernels.address(tensor));
      run[kind === 'gelu' ? 'gelu' : 'geluTanh'](...addresses, x.size * FLOAT_BYTES);
      return result;
    },

    attention(q, k, v, maskBias, heads) {
      const sizes = attentionSizes(q, maskBias.shape[0], heads);
      const { examples, tokens, headDim } = sizes;
      for (const rows of [k, v]) expectShape(rows, q.shape);
      expectShape(maskBias, [examples, 1, 1, tokens]);
      const context = kernels.output(q.shape);
      const probabilities = kernels.output([examples, heads, tokens, tokens]);
      const bias = kernels.matrix(maskBias, tokens);
      forEachHead(sizes, (example, view, square) => {
        const p = square(kernels, probabilities);
        const scores = { rows: tokens, inner: headDim, columns: tokens };
        kernels.multiply(view(kernels, q), transposed(view(kernels, k)), p, scores);
        run.softmax(
          p.address,
          bias.address + example * bias.rowStride,
          tokens,
          tokens,
          1 / Math.sqrt(headDim),
        );
        const mixture = { rows: tokens, inner: tokens, columns: headDim };
        kernels.multiply(p, view(kernels, v), view(kernels, context), mixture);
      });
      return { context, saved: { q: tf.clone(q), k: tf.clone(k), v: tf.clone(v), probabilities } };
    },
    attentionBackward(dContext, { q, k, v, probabilities }) {
      const sizes = attentionSizes(q, probabilities.shape[0], probabilities.shape[1]!);
      const { tokens, headDim } = sizes;
      expectShape(dContext, q.shape);
      const result = {
        dq: kernels.output(q.shape),
        dk: kernels.output(q.shape),
        dv: kernels.output(q.shape),
      };
      const scores = kernels.output([tokens, tokens]);
      forEachHead(sizes, (_, view, square) => {
        const p = square(kernels, probabilities);
        const dScores = kernels.matrix(scores, tokens);
        const upstream = view(kernels, dContext);
        const toScores = { rows: tokens, inner: headDim, columns: tokens };
        const toRows = { rows: tokens, inner: tokens, columns: headDim };
        kernels.multiply(upstream, transposed(view(kernels, v)), dScores, toScores);
        run.softmaxBackward(dScores.address, p.address, tokens, tokens, 1 / Math.sqrt(headDim));
        kernels.multiply(dScores, view(kernels, k), view(kernels, result.dq), toRows);
        kernels.multiply(transposed(dScores), view(kernels, q), view(kernels, result.dk), toRows);
        kernels.multiply(transposed(p), upstream, view(kernels, result.dv), toRows);
      });
      return result;
    },

    perExampleOuter(x, dy, exampleCount) {
      const [allTokens, rows] = x.shape as [number, number];
      const columns = dy.shape[1]!;
      const tokens = Math.floor(allTokens / exampleCount);
      expectShape(x, [exampleCount * tokens, rows]);
      expectShape(dy, [allTokens, columns]);
      const result = kernels.output([exampleCount, rows * columns]);
      for (let i = 0; i < exampleCount; i++) {
        kernels.multiply(
          transposed(kernels.matrix(x, rows, i * tokens * rows)),
          kernels.matrix(dy, columns, i * tokens * columns),
          kernels.matrix(result, columns, i * rows * columns),
          { rows, inner: tokens, columns },
        );
      }
      return result;
    },
    weightedSum: (gradients, factors) => sumOfRows(kernels, run.weightedSum, gradients, factors),
    truncatedSum: (gradients, factors) => sumOfRows(kernels, run.truncatedSum, gradients, factors),
  };
}

/** The kernels read memory by address: a wrong shape would be another tensor's bytes, so it must never come that far. */
function expectShape(tensor: Tensor, shape: number[]): void {
  if (tensor.shape.join() !== shape.join()) {
    throw new RangeError(`expected a tensor of shape [${shape.join()}], got [${tensor.shape.join()}]`);
  }
}

type AttentionSizes = { examples: number; heads: number; tokens: number; headDim: number };

function attentionSizes(rows: Tensor, examples: number, heads: number): AttentionSizes {
  const [tokens, headDim] = [rows.shape[0] / examples, rows.shape[1]! / heads];
  expectShape(rows, [examples * Math.floor(tokens), heads * Math.floor(headDim)]);
  return { examples, heads, tokens, headDim };
}

type View = (kernels: WasmKernels, tensor: Tensor) => MatrixView;

/**
 * Calls `each` for every head of every example.
 * @param each `view` cuts the head's [T, headDim] out of [N*T, d], `square` its [T, T] out of [N, heads, T, T]
 */
function forEachHead(
  { examples, heads, tokens, headDim }: AttentionSizes,
  each: (example: number, view: View, square: View) => void,
): void {
  const width = heads * headDim;
  for (let example = 0; example < examples; example++) {
    for (let head = 0; head < heads; head++) {
      const start = example * tokens * width + head * headDim;
      const index = example * heads + head;
      each(
        example,
        (kernels, tensor) => kernels.matrix(tensor, width, start),
        (kernels, tensor) => kernels.matrix(tensor, tokens, index * tokens * tokens),
      );
    }
  }
}

function sumOfRows(
  kernels: WasmKernels,
  sum: WasmKernels['run']['weightedSum'],
  gradients: Tensor,
  factors: Float32Array,
): Tensor {
  const [rows, width] = gradients.shape as [number, number];
  // Before there is a tensor of them, which would be left behind
  if (factors.length !== rows) throw new RangeError(`expected ${rows} factors, got ${factors.length}`);
  const weights = tf.tensor1d(factors.slice(), 'float32');
  const result = kernels.output([width]);
  sum(kernels.address(gradients), kernels.address(weights), kernels.address(result), rows, width);
  tf.dispose(weights);
  return result;
}
