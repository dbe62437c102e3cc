import { randomValues } from '@chorale/testing/randomValues';
import type { Activation, Tensor } from '../ops.ts';
import type { OpsCase } from './opsCase.ts';
import * as reference from './reference.ts';

const layerNormCases = [
  { name: 'layerNorm', shape: [15, 12], scale: 2, offset: 0, epsilon: 1e-12 },
  { name: 'layerNorm far from zero', shape: [15, 12], scale: 1, offset: 20, epsilon: 1e-12 },
  {
    name: 'layerNorm with an epsilon as large as the variance',
    shape: [15, 12],
    scale: 0.5,
    offset: 0,
    epsilon: 0.1,
  },
  { name: 'layerNorm of one row of 3', shape: [1, 3], scale: 1, offset: 0, epsilon: 1e-5 },
  { name: 'layerNorm of rows of 7', shape: [5, 7], scale: 1, offset: 0, epsilon: 1e-5 },
  { name: 'layerNorm of rows of 385', shape: [2, 385], scale: 3, offset: 1, epsilon: 1e-5 },
].map(({ name, shape, scale, offset, epsilon }): OpsCase => {
  const [rows, d] = shape as [number, number];
  const x = randomValues(rows * d, 8, scale).map((value) => value + offset);
  const gain = randomValues(d, 9).map((value) => value + 1.5);
  const bias = randomValues(d, 10);
  const dy = randomValues(rows * d, 11);
  const forward = (input: ArrayLike<number>) => reference.layerNorm(input, gain, bias, epsilon);
  return {
    name: `${name}, and its backward pass`,
    run: (ops) => {
      const gains = ops.tensor(gain, [d]);
      const { y, saved } = ops.layerNorm(ops.tensor(x, shape), gains, ops.tensor(bias, [d]), epsilon);
      return { y, dx: ops.layerNormBackward(ops.tensor(dy, shape), gains, saved) };
    },
    expected: () => ({
      y: { values: forward(x), shape },
      dx: { values: reference.numericalGradient(forward, x, dy), shape },
    }),
  };
});

const activationCases: OpsCase[] = [
  {
    // Phi(1) = 0.8413447461, Phi(2) = 0.9772498681 (standard normal tables)
    name: 'gelu, by hand',
    run: (ops) => ({ y: ops.activation('gelu', ops.tensor(Float32Array.of(0, 1, -1, 2), [4])).y }),
    expected: () => ({ y: { values: [0, 0.8413447461, -0.1586552539, 1.9544997361], shape: [4] } }),
  },
  ...(['gelu', 'gelu-tanh'] as const).map((kind): OpsCase => ({
    name: `${kind} far from zero is x or 0, its derivative 1 or 0`,
    run: (ops) => {
      const above = ops.activation(kind, ops.tensor(Float32Array.of(30, 80, 1e4), [3]));
      const below = ops.activation(kind, ops.tensor(Float32Array.of(-30, -80, -1e4), [3]));
      const ones = ops.tensor(Float32Array.of(1, 1, 1), [3]);
      return {
        above: above.y,
        below: below.y,
        slopeAbove: ops.activationBackward(kind, ones, above.saved),
        slopeBelow: ops.activationBackward(kind, ones, below.saved),
      };
    },
    expected: () => ({
      above: { values: [30, 80, 1e4], shape: [3] },
      below: { values: [0, 0, 0], shape: [3] },
      slopeAbove: { values: [1, 1, 1], shape: [3] },
      slopeBelow: { values: [0, 0, 0], shape: [3] },
    }),
  })),
  ...Object.entries(reference.ACTIVATIONS).flatMap(([name, forward]) =>
    [
      [11, 21],
      [1, 7],
    ].map((shape): OpsCase => {
      const kind = name as Activation;
      const count = shape[0]! * shape[1]!;
      const x = randomValues(count, 12, 4);
      const dy = randomValues(count, 13);
      return {
        name: `${kind} of [${shape.join(', ')}] values from -4 to 4 and its backward pass`,
        run: (ops) => {
          const { y, saved } = ops.activation(kind, ops.tensor(x, shape));
          return { y, dx: ops.activationBackward(kind, ops.tensor(dy, shape), saved) };
        },
        expected: () => ({
          y: { values: Float64Array.from(x, forward), shape },
          dx: { values: reference.numericalGradient((values) => values.map(forward), x, dy), shape },
        }),
      };
    }),
  ),
];

/** The first `length` of `tokens` are real, for each example. */
function realTokens(lengths: readonly number[], tokens: number): boolean[][] {
  return lengths.map((length) => Array.from({ length: tokens }, (_, t) => t < length));
}

const attentionCases = [
  // One whole sequence, one with two padding tokens, one with a single real token
  { lengths: [5, 3, 1], tokens: 5, d: 12, heads: 1 },
  { lengths: [5, 3, 1], tokens: 5, d: 12, heads: 3 },
  { lengths: [1], tokens: 1, d: 6, heads: 2 },
  { lengths: [9, 4], tokens: 9, d: 10, heads: 2 },
  { lengths: [1], tokens: 18, d: 8, heads: 2 },
].map(({ lengths, tokens, d, heads }): OpsCase => {
  const rows = lengths.length * tokens;
  const [q, k, v] = [14, 15, 16].map((seed) => randomValues(rows * d, seed, 2)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const dContext = randomValues(rows * d, 17);
  const real = realTokens(lengths, tokens);
  const bias = Float32Array.from(real.flat(), (attended) => (attended ? 0 : -1e9));
  const shape = [rows, d];
  return {
    name: `attention over ${lengths.join(', ')} of ${tokens} tokens, ${heads} of ${d / heads}, and its backward pass`,
    run: (ops) => {
      const [qRows, kRows, vRows] = [q, k, v].map((values) => ops.tensor(values, shape)) as [
        Tensor,
        Tensor,
        Tensor,
      ];
      const maskBias = ops.tensor(bias, [lengths.length, 1, 1, tokens]);
      const { context, saved } = ops.attention(qRows, kRows, vRows, maskBias, heads);
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

/** What a transformer layer is made of beside its products. */
export const layerCases: readonly OpsCase[] = [...layerNormCases, ...activationCases, ...attentionCases];
