import { randomValues } from '@chorale/testing/randomValues';
import type { OpsCase } from './opsCase.ts';
import * as reference from './reference.ts';

// Sizes that no kernel rounds up to nicely
const N = 3;
const T = 5;
const D = 12;
const ROWS = N * T;

/** Pooling and loss. */
export const headCases: OpsCase[] = [
  poolCase(),
  {
    // Scores 0 and 0: loss ln 2, gradient (1/2 - 1, 1/2). Scores 1000 and 0: naive exponentials overflow.
    name: 'softmaxCrossEntropy, by hand',
    run: (ops) => {
      const logits = ops.tensor(Float32Array.of(0, 0, 1000, 0, 1000, 0), [3, 2]);
      const oneHot = ops.tensor(Float32Array.of(1, 0, 1, 0, 0, 1), [3, 2]);
      return { ...ops.softmaxCrossEntropy(logits, oneHot) };
    },
    expected: () => ({
      losses: { values: [Math.LN2, 0, 1000], shape: [3] },
      dLogits: { values: [-0.5, 0.5, 0, 0, 1, -1], shape: [3, 2] },
    }),
  },
  {
    name: 'softmaxCrossEntropy and its gradient',
    run: (ops) => {
      const oneHot = Float32Array.of(0, 1, 0, 1, 0, 0, 0, 0, 1);
      return {
        ...ops.softmaxCrossEntropy(ops.tensor(randomValues(9, 18, 3), [3, 3]), ops.tensor(oneHot, [3, 3])),
      };
    },
    expected: () => {
      const logits = randomValues(9, 18, 3);
      const loss = (x: ArrayLike<number>) => reference.crossEntropy(x, [1, 0, 2], 3);
      return {
        losses: { values: loss(logits), shape: [3] },
        dLogits: { values: reference.numericalGradient(loss, logits, [1, 1, 1]), shape: [3, 3] },
      };
    },
  },
];

function poolCase(): OpsCase {
  const x = randomValues(ROWS * D, 19);
  const weights = randomValues(ROWS, 20);
  const dPooled = randomValues(N * D, 21);
  const forward = (input: ArrayLike<number>) => reference.poolTokens(input, weights, N);
  return {
    name: 'poolTokens and its backward pass',
    run: (ops) => {
      const perToken = ops.tensor(weights, [N, T]);
      return {
        pooled: ops.poolTokens(ops.tensor(x, [ROWS, D]), perToken),
        dx: ops.poolTokensBackward(ops.tensor(dPooled, [N, D]), perToken),
      };
    },
    expected: () => ({
      pooled: { values: forward(x), shape: [N, D] },
      dx: { values: reference.numericalGradient(forward, x, dPooled), shape: [ROWS, D] },
    }),
  };
}
