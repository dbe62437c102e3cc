import type { Tensor as TfjsTensor } from '@tensorflow/tfjs-core';

/** A float32 array on the device. Opaque above this package: only an `Ops` works on it. */
export type Tensor = TfjsTensor;

/** Tensors, or objects and arrays of them, as `Ops.scope` may return. */
export type TensorTree = Tensor | null | number | TensorTree[] | { [key: string]: TensorTree };

/**
 * A frozen weight matrix [inDim, outDim], kept in the orientation(s) the backend multiplies fast: tfjs's own wasm products
 * are ten times slower with a transposed operand (compute.md, section 5), so that there both are stored.
 */
export type FrozenMatrix = { inDim: number; outDim: number; weight: Tensor; transposed: Tensor | null };

/**
 * `gelu` is exact, x Phi(x); `gelu-tanh` is its approximation, x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
 * @see Hendrycks and Gimpel 2016, section 2
 */
export type Activation = 'gelu' | 'gelu-tanh' | 'relu' | 'tanh';

/** What `layerNorm` keeps for its backward pass. */
export type LayerNormSaved = { normalized: Tensor; inverseStd: Tensor };

/** What `attention` keeps for its backward pass; q, k, v in the layout its kernels like, probabilities [N, heads, T, T]. */
export type AttentionSaved = { q: Tensor; k: Tensor; v: Tensor; probabilities: Tensor };

/**
 * The operations a transformer's forward and backward pass needs; N = examples, T = tokens, d = hidden size.
 * Token matrices are [N*T, d], so that every frozen multiplication is one plain two-dimensional product.
 * Every function returns new tensors and borrows its arguments. Run them inside `scope`.
 */
export type Ops = {
  /** Uploads values; the array is copied. */
  tensor(values: Float32Array, shape: number[]): Tensor;
  /** Reads a tensor back. One read per step is cheap; one per op is not. */
  read(tensor: Tensor): Promise<Float32Array>;
  dispose(tree: TensorTree): void;
  /** Frees everything made inside but what it returns. Must be synchronous. */
  scope<T extends TensorTree>(body: () => T): T;
  /** Number of live tensors made since this device was opened, to test for leaks. */
  liveTensors(): number;

  frozenMatrix(values: Float32Array, inDim: number, outDim: number): FrozenMatrix;
  /** x [M, inDim] times the frozen matrix plus bias [outDim] → [M, outDim]. */
  linear(x: Tensor, weight: FrozenMatrix, bias: Tensor): Tensor;
  /** Gradient of `linear` for its input: dy [M, outDim] → [M, inDim]. */
  linearBackward(dy: Tensor, weight: FrozenMatrix): Tensor;

  /** a [M, K] times b [K, L] → [M, L]. */
  matMul(a: Tensor, b: Tensor): Tensor;
  /** a [M, K] times b [L, K] transposed → [M, L]. */
  matMulNT(a: Tensor, b: Tensor): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  /** x [M, d] plus bias [d] in every row. */
  addBias(x: Tensor, bias: Tensor): Tensor;
  scale(a: Tensor, factor: number): Tensor;

  /** y = normalized * gain + bias over the last axis; x [M, d], gain and bias [d]. */
  layerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): { y: Tensor; saved: LayerNormSaved };
  layerNormBackward(dy: Tensor, gain: Tensor, saved: LayerNormSaved): Tensor;

  /** y = activation(x), element by element, and what its backward pass needs: opaque, as large as x. */
  activation(kind: Activation, x: Tensor): { y: Tensor; saved: Tensor };
  /** Gradient of `activation` for its input, for upstream dy and what the forward pass saved. */
  activationBackward(kind: Activation, dy: Tensor, saved: Tensor): Tensor;

  /**
   * Multi-head self-attention over N sequences of T tokens: softmax(q kᵀ / sqrt(headDim) + maskBias) v.
   * @param q,k,v    [N*T, d]
   * @param maskBias [N, 1, 1, T]: 0 for a real token, a large negative number for padding
   * @returns context [N*T, d]
   */
  attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    maskBias: Tensor,
    heads: number,
  ): { context: Tensor; saved: AttentionSaved };
  attentionBackward(dContext: Tensor, saved: AttentionSaved): { dq: Tensor; dk: Tensor; dv: Tensor };

  /**
   * Mean over tokens with weights: x [N*T, d], weights [N, T] (already divided by the token count) → [N, d].
   * Pooling by the first token is the same with weight 1 there.
   */
  poolTokens(x: Tensor, weights: Tensor): Tensor;
  poolTokensBackward(dPooled: Tensor, weights: Tensor): Tensor;

  /**
   * Cross-entropy of softmax(logits), per example, and its gradient (not averaged over examples).
   * @param logits [N, C]
   * @param oneHot [N, C]
   */
  softmaxCrossEntropy(logits: Tensor, oneHot: Tensor): { losses: Tensor; dLogits: Tensor };

  /**
   * Per-example gradient of a matrix that stood between x and y = x M: xᵢᵀ dyᵢ for each example.
   * @param x  [N*T, a]
   * @param dy [N*T, b]
   * @returns [N, a*b], row-major in (a, b)
   */
  perExampleOuter(x: Tensor, dy: Tensor, exampleCount: number): Tensor;
  /** Per-example gradients of several tensors, side by side: [N, p1], [N, p2], … → [N, p1+p2+…]. */
  packExamples(gradients: Tensor[]): Tensor;
  /**
   * g [N, P] → squared L2 norm of each row, [N]. Summed in stretches of 256, so that its relative error is under 4.8e-5
   * on every backend, whatever the values (P up to 2^24): a float32 sum one by one could lose all that is small.
   */
  squaredNorms(gradients: Tensor): Tensor;
  /**
   * Sum over examples of factorᵢ * gradientᵢ. Rows with factor 0 are masked by selection first: NaN * 0 is NaN.
   * @param gradients [N, P]
   * @param factors   shape [N]
   * @returns [P]
   */
  weightedSum(gradients: Tensor, factors: Float32Array): Tensor;
  /**
   * Sum over examples of trunc(factorᵢ * gradientᵢ): every product is rounded toward zero to an integer, and the sum of
   * the integers is exact, in whatever order a backend adds. Rows with factor 0 are masked by selection first.
   * @param gradients [N, P], such that |factorᵢ * gradientᵢ| is at most 2^24 / N; larger ones are summed inexactly
   * @param factors   shape [N]
   * @returns [P], integers
   */
  truncatedSum(gradients: Tensor, factors: Float32Array): Tensor;
  /** Elements offset … offset + rows*columns of a flat tensor as a matrix [rows, columns]. */
  matrixAt(flat: Tensor, offset: number, rows: number, columns: number): Tensor;
};
