import { randomValues } from '@chorale/testing/randomValues';
import type { OpsCase } from './opsCase.ts';
import * as reference from './reference.ts';

const outerCases = [
  { n: 3, t: 5, rows: 4, columns: 7 },
  { n: 1, t: 6, rows: 8, columns: 33 },
  { n: 4, t: 1, rows: 5, columns: 3 },
  { n: 2, t: 9, rows: 13, columns: 1 },
].map(({ n, t, rows, columns }): OpsCase => {
  const x = randomValues(n * t * rows, 22);
  const dy = randomValues(n * t * columns, 23);
  return {
    name: `perExampleOuter is the gradient of the matrix [${rows}, ${columns}], one example at a time: ${n} of ${t} tokens`,
    run: (ops) => ({
      gradients: ops.perExampleOuter(ops.tensor(x, [n * t, rows]), ops.tensor(dy, [n * t, columns]), n),
    }),
    expected: () => {
      const matrix = randomValues(rows * columns, 24);
      const values = Array.from({ length: n }, (_, i) => {
        const own = x.subarray(i * t * rows, (i + 1) * t * rows);
        const forward = (m: ArrayLike<number>) => reference.matMul(own, m, t, rows, columns);
        const upstream = dy.subarray(i * t * columns, (i + 1) * t * columns);
        return [...reference.numericalGradient(forward, matrix, upstream)];
      });
      return { gradients: { values: values.flat(), shape: [n, rows * columns] } };
    },
  };
});

const perExampleCases: OpsCase[] = [
  ...outerCases,
  {
    name: 'perExampleOuter with one token per example',
    run: (ops) => ({
      gradients: ops.perExampleOuter(
        ops.tensor(Float32Array.of(1, 2, 3, 4), [2, 2]),
        ops.tensor(Float32Array.of(5, -1, 10, 0), [2, 2]),
        2,
      ),
    }),
    expected: () => ({ gradients: { values: [5, -1, 10, -2, 30, 0, 40, 0], shape: [2, 4] } }),
  },
  ...[1, 2, 13].map((count): OpsCase => ({
    // 13 inputs are more than a shader may bind at once on many GPUs
    name: `packExamples of ${count}`,
    run: (ops) => ({
      packed: ops.packExamples(
        Array.from({ length: count }, (_, i) => ops.tensor(randomValues(2 * (i + 1), 30 + i), [2, i + 1])),
      ),
    }),
    expected: () => {
      const parts = Array.from({ length: count }, (_, i) => randomValues(2 * (i + 1), 30 + i));
      const row = (n: number) =>
        parts.flatMap((part) =>
          Array.from(part.subarray((n * part.length) / 2, ((n + 1) * part.length) / 2)),
        );
      return { packed: { values: [...row(0), ...row(1)], shape: [2, (count * (count + 1)) / 2] } };
    },
  })),
  {
    name: 'squaredNorms',
    run: (ops) => ({ norms: ops.squaredNorms(ops.tensor(Float32Array.of(3, 4, 0, 0, 1, -2), [3, 2])) }),
    expected: () => ({ norms: { values: [25, 0, 5], shape: [3] } }),
  },
  {
    name: 'squaredNorms of long rows',
    run: (ops) => ({ norms: ops.squaredNorms(ops.tensor(randomValues(4 * 5000, 50), [4, 5000])) }),
    expected: () => {
      const values = randomValues(4 * 5000, 50);
      const norm = (n: number) =>
        values.subarray(n * 5000, (n + 1) * 5000).reduce((sum, value) => sum + value ** 2, 0);
      return { norms: { values: [norm(0), norm(1), norm(2), norm(3)], shape: [4] } };
    },
  },
  {
    // 1 + 70,000 · 2^-26: added one by one in float32, each of them would be lost
    name: 'squaredNorms keeps many small values beside a large one',
    run: (ops) => ({
      norms: ops.squaredNorms(ops.tensor(new Float32Array(70_001).fill(2 ** -13).fill(1, 0, 1), [1, 70_001])),
    }),
    expected: () => ({ norms: { values: [1 + 70_000 * 2 ** -26], shape: [1] } }),
  },
  {
    name: 'weightedSum',
    run: (ops) => ({
      sum: ops.weightedSum(
        ops.tensor(randomValues(5 * 40, 51), [5, 40]),
        Float32Array.of(1, 0.5, 0, 0.125, 1),
      ),
    }),
    expected: () => ({
      sum: {
        values: reference.matMul([1, 0.5, 0, 0.125, 1], randomValues(5 * 40, 51), 1, 5, 40),
        shape: [40],
      },
    }),
  },
  {
    name: 'weightedSum leaves out NaN and infinite rows of factor 0',
    run: (ops) => ({
      sum: ops.weightedSum(
        ops.tensor(Float32Array.of(1, 2, NaN, Infinity, -Infinity, 5, 10, 20), [4, 2]),
        Float32Array.of(1, 0, 0, 0.5),
      ),
    }),
    expected: () => ({ sum: { values: [6, 12], shape: [2] } }),
  },
];

// Integers up to 2^24 - 3: only exact sums come out right
const largeRows = randomValues(512 * 3, 55, 1).map((value, i) =>
  // Column 0 adds 512 of the largest; column 1 cancels them one by one; column 2 is anything
  i % 3 === 0
    ? 32_767.9
    : i % 3 === 1
      ? Math.floor(i / 3) % 2 === 0
        ? 32_767.9
        : -32_767.9
      : value * 32_767.9,
);

const truncatedSumCases: OpsCase[] = [
  {
    name: 'truncatedSum rounds each product toward zero, then adds',
    run: (ops) => ({
      sum: ops.truncatedSum(
        ops.tensor(Float32Array.of(1.9, -1.9, 0.5, 0.6, -0.6, 0.5, 3, -3, -0.99), [3, 3]),
        Float32Array.of(1, 1, 1.5),
      ),
    }),
    // [1, -1, 0] + [0, 0, 0] + [4.5, -4.5, -1.485] rounded
    expected: () => ({ sum: { values: [5, -5, -1], shape: [3] } }),
  },
  {
    name: 'truncatedSum leaves out NaN and infinite rows of factor 0',
    run: (ops) => ({
      sum: ops.truncatedSum(
        ops.tensor(Float32Array.of(1.5, 2, NaN, Infinity, -Infinity, 5, 10, 21), [4, 2]),
        Float32Array.of(1, 0, 0, 0.5),
      ),
    }),
    expected: () => ({ sum: { values: [6, 12], shape: [2] } }),
  },
  {
    name: 'truncatedSum of 512 rows at the limit of float32 is exact',
    exact: true,
    run: (ops) => ({ sum: ops.truncatedSum(ops.tensor(largeRows, [512, 3]), new Float32Array(512).fill(1)) }),
    expected: () => {
      const values = [0, 0, 0];
      largeRows.forEach((value, i) => (values[i % 3]! += Math.trunc(value)));
      return { sum: { values, shape: [3] } };
    },
  },
  {
    name: 'truncatedSum of products against float64',
    exact: true,
    run: (ops) => ({
      sum: ops.truncatedSum(ops.tensor(randomValues(7 * 500, 56, 2), [7, 500]), randomValues(7, 57, 9000)),
    }),
    expected: () => {
      const [rows, factors] = [randomValues(7 * 500, 56, 2), randomValues(7, 57, 9000)];
      const values = new Float64Array(500);
      // The product in float32, as every device must round it
      rows.forEach(
        (value, i) => (values[i % 500]! += Math.trunc(Math.fround(value * factors[Math.floor(i / 500)]!))),
      );
      return { sum: { values, shape: [500] } };
    },
  },
];

/** Gradients of single examples, their norms and sums. */
export const exampleCases: readonly OpsCase[] = [...perExampleCases, ...truncatedSumCases];
