import { randomValues } from '@chorale/testing/randomValues';
import type { OpsCase } from './opsCase.ts';
import * as reference from './reference.ts';

// Odd widths, one row, and a result wider than its input
const linearCases = [
  [15, 12, 7],
  [1, 9, 21],
  [6, 5, 130],
].map(([rows, inDim, outDim]: number[]): OpsCase => {
  const [m, k, n] = [rows!, inDim!, outDim!];
  const x = randomValues(m * k, 4);
  const weight = randomValues(k * n, 5);
  const bias = randomValues(n, 6);
  const dy = randomValues(m * n, 7);
  const forward = (input: ArrayLike<number>) =>
    reference.matMul(input, weight, m, k, n).map((value, i) => value + bias[i % n]!);
  return {
    name: `linear [${m}, ${k}] → [${m}, ${n}] and its backward pass`,
    run: (ops) => {
      const frozen = ops.frozenMatrix(weight, k, n);
      return {
        y: ops.linear(ops.tensor(x, [m, k]), frozen, ops.tensor(bias, [n])),
        dx: ops.linearBackward(ops.tensor(dy, [m, n]), frozen),
      };
    },
    expected: () => ({
      y: { values: forward(x), shape: [m, n] },
      dx: { values: reference.numericalGradient(forward, x, dy), shape: [m, k] },
    }),
  };
});

/** Products, sums and slices of matrices. */
export const matrixCases: OpsCase[] = [
  {
    name: 'tensor and read',
    run: (ops) => ({ x: ops.tensor(Float32Array.of(1, -2, 0.5, 3e-7, 1e9, 0), [2, 3]) }),
    expected: () => ({ x: { values: Float32Array.of(1, -2, 0.5, 3e-7, 1e9, 0), shape: [2, 3] } }),
  },
  {
    name: 'matMul, by hand',
    run: (ops) => ({
      y: ops.matMul(
        ops.tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
        ops.tensor(Float32Array.of(1, 0, 0, 1, 2, -1), [3, 2]),
      ),
    }),
    expected: () => ({ y: { values: [7, -1, 16, -1], shape: [2, 2] } }),
  },
  ...[
    [1, 1, 1],
    [7, 13, 5],
    [33, 32, 31],
    [16, 64, 8],
    [5, 300, 2],
    [9, 8, 515],
  ].flatMap(([m, k, n]): OpsCase[] => {
    const a = randomValues(m! * k!, 1);
    const b = randomValues(k! * n!, 2);
    const expected = () => ({ y: { values: reference.matMul(a, b, m!, k!, n!), shape: [m!, n!] } });
    return [
      {
        name: `matMul [${m}, ${k}] × [${k}, ${n}]`,
        run: (ops) => ({ y: ops.matMul(ops.tensor(a, [m!, k!]), ops.tensor(b, [k!, n!])) }),
        expected,
      },
      {
        name: `matMulNT [${m}, ${k}] × [${n}, ${k}]ᵀ`,
        run: (ops) => {
          const bT = Float32Array.from(reference.transpose(b, k!, n!));
          return { y: ops.matMulNT(ops.tensor(a, [m!, k!]), ops.tensor(bT, [n!, k!])) };
        },
        expected,
      },
    ];
  }),
  ...linearCases,
  {
    name: 'add and scale',
    run: (ops) => {
      const a = ops.tensor(Float32Array.of(1, 2, 3), [3]);
      return { sum: ops.add(a, ops.tensor(Float32Array.of(-1, 0.5, 8), [3])), scaled: ops.scale(a, -0.25) };
    },
    expected: () => ({
      sum: { values: [0, 2.5, 11], shape: [3] },
      scaled: { values: [-0.25, -0.5, -0.75], shape: [3] },
    }),
  },
  {
    name: 'addBias',
    run: (ops) => ({
      y: ops.addBias(
        ops.tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
        ops.tensor(Float32Array.of(0, -1, 0.5), [3]),
      ),
    }),
    expected: () => ({ y: { values: [1, 1, 3.5, 4, 4, 6.5], shape: [2, 3] } }),
  },
  {
    name: 'matrixAt',
    run: (ops) => ({ m: ops.matrixAt(ops.tensor(randomValues(20, 3), [20]), 5, 3, 4) }),
    expected: () => ({ m: { values: randomValues(20, 3).subarray(5, 17), shape: [3, 4] } }),
  },
];
