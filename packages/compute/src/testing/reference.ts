/** Plain float64 forms of the operations, written for reading; matrices are row-major. */

import type { Activation } from '../ops.ts';

export type Vector = Float64Array;

/** a [m, k] times b [k, n]. */
export function matMul(a: ArrayLike<number>, b: ArrayLike<number>, m: number, k: number, n: number): Vector {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[i * k + p]! * b[p * n + j]!;
      result[i * n + j] = sum;
    }
  }
  return result;
}

export function transpose(a: ArrayLike<number>, rows: number, columns: number): Vector {
  return Float64Array.from(
    { length: rows * columns },
    (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!,
  );
}

/** Over the last axis of x [rows, d]. */
export function layerNorm(
  x: ArrayLike<number>,
  gain: ArrayLike<number>,
  bias: ArrayLike<number>,
  epsilon: number,
): Vector {
  const d = gain.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += d) {
    const row = Array.from({ length: d }, (_, i) => x[start + i]!);
    const mean = row.reduce((sum, value) => sum + value, 0) / d;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / d;
    row.forEach(
      (value, i) => (y[start + i] = ((value - mean) / Math.sqrt(variance + epsilon)) * gain[i]! + bias[i]!),
    );
  }
  return y;
}

/** The error function by its Taylor series (Abramowitz and Stegun 7.1.5); 1e-12 for |x| up to 4. */
export function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** Activations of one value; gelu-tanh as in Hendrycks and Gimpel 2016, section 2. */
export const ACTIVATIONS: Record<Activation, (x: number) => number> = {
  gelu: (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  'gelu-tanh': (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2,
  relu: (x) => Math.max(0, x),
  tanh: Math.tanh,
};

export function softmax(scores: number[]): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** q, k, v [n*t, d]; `real` [n, t] says which tokens may be attended to. */
export function attention(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  real: readonly (readonly boolean[])[],
  heads: number,
): Vector {
  const tokens = real[0]!.length;
  const d = q.length / (real.length * tokens);
  const headDim = d / heads;
  const context = new Float64Array(q.length);
  real.forEach((isReal, n) => {
    const at = (values: ArrayLike<number>, t: number, head: number, i: number) =>
      values[(n * tokens + t) * d + head * headDim + i]!;
    for (let head = 0; head < heads; head++) {
      for (let from = 0; from < tokens; from++) {
        const scores = isReal.map((attended, to) => {
          let dot = 0;
          for (let i = 0; i < headDim; i++) dot += at(q, from, head, i) * at(k, to, head, i);
          return attended ? dot / Math.sqrt(headDim) : -Infinity;
        });
        softmax(scores).forEach((probability, to) => {
          for (let i = 0; i < headDim; i++) {
            context[(n * tokens + from) * d + head * headDim + i]! += probability * at(v, to, head, i);
          }
        });
      }
    }
  });
  return context;
}

/** Sum over tokens of weight times vector: x [n*t, d], weights [n, t] → [n, d]. */
export function poolTokens(x: ArrayLike<number>, weights: ArrayLike<number>, n: number): Vector {
  const tokens = weights.length / n;
  const d = x.length / weights.length;
  const pooled = new Float64Array(n * d);
  for (let row = 0; row < weights.length; row++) {
    for (let i = 0; i < d; i++) pooled[Math.floor(row / tokens) * d + i]! += weights[row]! * x[row * d + i]!;
  }
  return pooled;
}

/** -log softmax(logits)[label], per row of `classes` scores. */
export function crossEntropy(logits: ArrayLike<number>, labels: readonly number[], classes: number): Vector {
  return Float64Array.from(labels, (label, n) => {
    const scores = Array.from({ length: classes }, (_, c) => logits[n * classes + c]!);
    return -Math.log(softmax(scores)[label]!);
  });
}

/**
 * Gradient of the sum of upstream * f(x) by central finite differences in float64 (error about 1e-9).
 * @param upstream as long as f's result
 */
export function numericalGradient(
  f: (x: Vector) => Vector,
  x: ArrayLike<number>,
  upstream: ArrayLike<number>,
): Vector {
  const step = 1e-5;
  const at = Float64Array.from(x);
  const weighted = () => f(at).reduce((sum, value, i) => sum + value * upstream[i]!, 0);
  return at.map((value, i) => {
    at[i] = value + step;
    const above = weighted();
    at[i] = value - step;
    const below = weighted();
    at[i] = value;
    return (above - below) / (2 * step);
  });
}
