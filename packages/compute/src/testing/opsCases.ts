import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import type { Ops, Tensor } from '../ops.ts';
import * as reference from './reference.ts';

/** One operation on fixed inputs: what the device returns, by name, beside what it should return. */
export type OpsCase = {
  name: string;
  run: (ops: Ops) => Record<string, Tensor>;
  expected: () => Record<string, { values: ArrayLike<number>; shape: number[] }>;
  /** Not one bit may differ. */
  exact?: true;
};

/** Largest difference from the float64 reference, relative to the largest value; every backend holds it. */
const TOLERANCE = 5e-6;

/**
 * Runs a case on a device.
 * @returns the largest relative difference
 * @throws {Error} a shape or a value is wrong, or a tensor was left alive
 */
export async function checkOpsCase(ops: Ops, { run, expected, exact }: OpsCase): Promise<number> {
  const liveBefore = ops.liveTensors();
  const results = ops.scope(() => run(ops));
  const wanted = expected();
  let worst = 0;
  for (const [name, { values, shape }] of Object.entries(wanted)) {
    const result = results[name]!;
    if (result.shape.join() !== shape.join()) {
      throw new Error(`${name}: expected shape [${shape.join()}], got [${result.shape.join()}]`);
    }
    worst = Math.max(worst, expectClose(await ops.read(result), values, exact ? 0 : TOLERANCE, name));
  }
  ops.dispose(results);
  if (ops.liveTensors() !== liveBefore) {
    throw new Error(`${ops.liveTensors() - liveBefore} tensors were left alive`);
  }
  return worst;
}

// Sizes that no kernel rounds up to nicely
const N = 3;
const T = 5;
const D = 12;
const HEADS = 3;
const ROWS = N * T;

const matrixCases: OpsCase[] = [
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
  linearCase(),
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
    name: 'matrixAt',
    run: (ops) => ({ m: ops.matrixAt(ops.tensor(randomValues(20, 3), [20]), 5, 3, 4) }),
    expected: () => ({ m: { values: randomValues(20, 3).subarray(5, 17), shape: [3, 4] } }),
  },
];

function linearCase(): OpsCase {
  const [inDim, outDim] = [D, 7];
  const x = randomValues(ROWS * inDim, 4);
  const weight = randomValues(inDim * outDim, 5);
  const bias = randomValues(outDim, 6);
  const dy = randomValues(ROWS * outDim, 7);
  const forward = (input: ArrayLike<number>) =>
    reference.matMul(input, weight, ROWS, inDim, outDim).map((value, i) => value + bias[i % outDim]!);
  return {
    name: 'linear and its backward pass',
    run: (ops) => {
      const frozen = ops.frozenMatrix(weight, inDim, outDim);
      return {
        y: ops.linear(ops.tensor(x, [ROWS, inDim]), frozen, ops.tensor(bias, [outDim])),
        dx: ops.linearBackward(ops.tensor(dy, [ROWS, outDim]), frozen),
      };
    },
    expected: () => ({
      y: { values: forward(x), shape: [ROWS, outDim] },
      dx: { values: reference.numericalGradient(forward, x, dy), shape: [ROWS, inDim] },
    }),
  };
}

const layerNormCases = [
  { name: 'layerNorm', scale: 2, offset: 0, epsilon: 1e-12 },
  { name: 'layerNorm far from zero', scale: 1, offset: 20, epsilon: 1e-12 },
  { name: 'layerNorm with an epsilon as large as the variance', scale: 0.5, offset: 0, epsilon: 0.1 },
].map(({ name, scale, offset, epsilon }): OpsCase => {
  const x = randomValues(ROWS * D, 8, scale).map((value) => value + offset);
  const gain = randomValues(D, 9).map((value) => value + 1.5);
  const bias = randomValues(D, 10);
  const dy = randomValues(ROWS * D, 11);
  const forward = (input: ArrayLike<number>) => reference.layerNorm(input, gain, bias, epsilon);
  return {
    name: `${name}, and its backward pass`,
    run: (ops) => {
      const gains = ops.tensor(gain, [D]);
      const { y, saved } = ops.layerNorm(ops.tensor(x, [ROWS, D]), gains, ops.tensor(bias, [D]), epsilon);
      return { y, dx: ops.layerNormBackward(ops.tensor(dy, [ROWS, D]), gains, saved) };
    },
    expected: () => ({
      y: { values: forward(x), shape: [ROWS, D] },
      dx: { values: reference.numericalGradient(forward, x, dy), shape: [ROWS, D] },
    }),
  };
});

const geluCases: OpsCase[] = [
  {
    // Phi(1) = 0.8413447461, Phi(2) = 0.9772498681 (standard normal tables)
    name: 'gelu, by hand',
    run: (ops) => ({ y: ops.gelu(ops.tensor(Float32Array.of(0, 1, -1, 2), [4])) }),
    expected: () => ({ y: { values: [0, 0.8413447461, -0.1586552539, 1.9544997361], shape: [4] } }),
  },
  {
    name: 'gelu and its backward pass, from -4 to 4',
    run: (ops) => {
      const x = ops.tensor(randomValues(200, 12, 4), [10, 20]);
      return { y: ops.gelu(x), dx: ops.geluBackward(ops.tensor(randomValues(200, 13), [10, 20]), x) };
    },
    expected: () => {
      const x = randomValues(200, 12, 4);
      const dx = reference.numericalGradient(reference.gelu, x, randomValues(200, 13));
      return { y: { values: reference.gelu(x), shape: [10, 20] }, dx: { values: dx, shape: [10, 20] } };
    },
  },
];

const attentionCases = [1, HEADS].map((heads): OpsCase => {
  const [q, k, v] = [14, 15, 16].map((seed) => randomValues(ROWS * D, seed, 2)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const dContext = randomValues(ROWS * D, 17);
  // One whole sequence, one with two padding tokens, one with a single real token
  const real = [T, T - 2, 1].map((length) => Array.from({ length: T }, (_, t) => t < length));
  const bias = Float32Array.from(real.flat(), (attended) => (attended ? 0 : -1e9));
  const shape = [ROWS, D];
  return {
    name: `attention with ${heads} heads and its backward pass`,
    run: (ops) => {
      const [qRows, kRows, vRows] = [q, k, v].map((values) => ops.tensor(values, shape)) as [
        Tensor,
        Tensor,
        Tensor,
      ];
      const { context, saved } = ops.attention(qRows, kRows, vRows, ops.tensor(bias, [N, 1, 1, T]), heads);
      return { context, ...ops.attentionBackward(ops.tensor(dContext, shape), saved) };
    },
    expected: () => {
      const gradient = (f: (x: Float64Array) => Float64Array, at: Float32Array) => ({
        values: reference.numericalGradient(f, at, dContext),
        shape,
      });
      return {
        context: { values: reference.attention(q, k, v, real, heads), shape },
        dq: gradient((x) => reference.attention(x, k, v, real, heads), q),
        dk: gradient((x) => reference.attention(q, x, v, real, heads), k),
        dv: gradient((x) => reference.attention(q, k, x, real, heads), v),
      };
    },
  };
});

const lossCases: OpsCase[] = [
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

const perExampleCases: OpsCase[] = [
  {
    name: 'perExampleOuter is the gradient of the matrix, example by example',
    run: (ops) => ({
      gradients: ops.perExampleOuter(
        ops.tensor(randomValues(ROWS * 4, 22), [ROWS, 4]),
        ops.tensor(randomValues(ROWS * 7, 23), [ROWS, 7]),
        N,
      ),
    }),
    expected: () => {
      const x = randomValues(ROWS * 4, 22);
      const dy = randomValues(ROWS * 7, 23);
      const matrix = randomValues(4 * 7, 24);
      const values = Array.from({ length: N }, (_, n) => {
        const own = x.subarray(n * T * 4, (n + 1) * T * 4);
        const forward = (m: ArrayLike<number>) => reference.matMul(own, m, T, 4, 7);
        return [...reference.numericalGradient(forward, matrix, dy.subarray(n * T * 7, (n + 1) * T * 7))];
      });
      return { gradients: { values: values.flat(), shape: [N, 28] } };
    },
  },
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

/** Every operation, forward against float64 and backward against finite differences. */
export const opsCases: readonly OpsCase[] = [
  ...matrixCases,
  ...layerNormCases,
  ...geluCases,
  ...attentionCases,
  ...lossCases,
  ...perExampleCases,
  ...truncatedSumCases,
];
