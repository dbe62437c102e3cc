import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { openCompute } from '../compute.ts';
import { createOps } from '../createOps.ts';
import type { Ops, Tensor } from '../ops.ts';
import type { WasmKernels } from './wasmKernels.ts';
import { startWasmKernels } from './wasmKernels.ts';

let ops: Ops;
let kernels: WasmKernels;

beforeAll(async () => {
  ({ ops } = await openCompute('wasm'));
  const started = startWasmKernels();
  if (started === null) throw new Error('expected an engine with SIMD; all other tests here would test tfjs');
  kernels = started;
});

const T = 7;
const D = 10;

/** What an operation makes of examples of [T, D] values, as rows of one example each. */
const perExample: Record<string, (x: Tensor, examples: number) => Tensor> = {
  linear: (x) => ops.linear(x, ops.frozenMatrix(randomValues(D * 13, 1), D, 13), vector(13)),
  linearBackward: (x) => ops.linearBackward(x, ops.frozenMatrix(randomValues(13 * D, 2), 13, D)),
  matMulNT: (x) => ops.matMulNT(x, ops.tensor(randomValues(5 * D, 3), [5, D])),
  layerNorm: (x) => ops.layerNorm(x, vector(D), vector(D), 1e-5).y,
  layerNormBackward: (x) =>
    ops.layerNormBackward(x, vector(D), ops.layerNorm(x, vector(D), vector(D), 1e-5).saved),
  gelu: (x) => ops.activationBackward('gelu', x, ops.activation('gelu', x).saved),
  'gelu-tanh': (x) => ops.activationBackward('gelu-tanh', x, ops.activation('gelu-tanh', x).saved),
  attention: (x, examples) => ops.attention(x, x, x, mask(examples), 2).context,
  attentionBackward: (x, examples) => {
    const { dq, dk, dv } = ops.attentionBackward(x, ops.attention(x, x, x, mask(examples), 2).saved);
    return ops.add(ops.add(dq, dk), dv);
  },
  perExampleOuter: (x, examples) => ops.perExampleOuter(x, x, examples),
};

const vector = (size: number) => ops.tensor(randomValues(size, 9), [size]);
const mask = (examples: number) => ops.tensor(new Float32Array(examples * T), [examples, 1, 1, T]);

describe('what an example comes to depends on it alone, bit by bit', () => {
  const own = randomValues(T * D, 20);

  /** The example's own part of the result, `place` others before it and others after. */
  async function resultAt(
    place: number,
    examples: number,
    seed: number,
    of: (x: Tensor, n: number) => Tensor,
  ) {
    const values = randomValues(examples * T * D, seed, 50);
    values.set(own, place * T * D);
    const result = ops.scope(() => of(ops.tensor(values, [examples * T, D]), examples));
    const all = await ops.read(result);
    ops.dispose(result);
    const size = all.length / examples;
    return all.slice(place * size, (place + 1) * size);
  }

  test.each(Object.entries(perExample))('%s', async (_, of) => {
    const alone = await resultAt(0, 1, 30, of);
    expect(alone.some((value) => value !== 0)).toBe(true);
    // T is odd: within a block of four rows the example stands elsewhere at every place
    for (const [place, examples, seed] of [
      [0, 4, 31],
      [1, 4, 32],
      [2, 4, 33],
      [4, 5, 34],
    ] as const) {
      expect(await resultAt(place, examples, seed, of)).toEqual(alone);
    }
  });
});

test('softmax over scores from 0 to 100 is right to 1e-6 of every probability', async () => {
  const scores = Float32Array.from({ length: 201 }, (_, i) => 100 - i / 2);
  const tensor = ops.tensor(scores, [1, 201]);
  const bias = ops.tensor(new Float32Array(201), [201]);
  kernels.run.softmax(kernels.address(tensor), kernels.address(bias), 1, 201, 1);
  const probabilities = await ops.read(tensor);
  ops.dispose([tensor, bias]);
  const powers = Array.from(scores, (score) => Math.exp(score - 100));
  const total = powers.reduce((sum, power) => sum + power, 0);
  // From 87 below the largest down e^x is no longer a normal float32 number, and 0
  const normal = scores.findIndex((score) => score <= 100 - 87);
  for (let i = 0; i < normal; i++) {
    expectClose([probabilities[i]!], [powers[i]! / total], 1e-6, `e^${scores[i]}`);
  }
  expect(normal).toBe(174);
  expect(probabilities.subarray(normal).every((probability) => probability === 0)).toBe(true);
});

// The kernels read memory by address: what tfjs would refuse must not be read past its end
describe('tensors of wrong shapes are refused', () => {
  const x = (...shape: number[]) => ops.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const cases: Record<string, () => unknown> = {
    matMul: () => ops.matMul(x(2, 3), x(4, 2)),
    matMulNT: () => ops.matMulNT(x(2, 3), x(3, 2)),
    'linear, bias': () => ops.linear(x(2, 3), ops.frozenMatrix(new Float32Array(6), 3, 2), x(3)),
    linearBackward: () => ops.linearBackward(x(2, 3), ops.frozenMatrix(new Float32Array(6), 3, 2)),
    'layerNorm, gain': () => ops.layerNorm(x(2, 3), x(2), x(3), 0.1),
    'layerNorm, bias': () => ops.layerNorm(x(2, 3), x(3), x(4), 0.1),
    'layerNormBackward, gain': () =>
      ops.layerNormBackward(x(2, 3), x(2), { normalized: x(2, 3), inverseStd: x(2, 1) }),
    'layerNormBackward, normalized': () =>
      ops.layerNormBackward(x(2, 3), x(3), { normalized: x(1, 3), inverseStd: x(2, 1) }),
    'layerNormBackward, inverseStd': () =>
      ops.layerNormBackward(x(2, 3), x(3), { normalized: x(2, 3), inverseStd: x(1, 1) }),
    'attention, keys': () => ops.attention(x(4, 6), x(4, 4), x(4, 6), x(2, 1, 1, 2), 2),
    'attention, mask': () => ops.attention(x(4, 6), x(4, 6), x(4, 6), x(2, 1, 1, 3), 2),
    'attention, heads': () => ops.attention(x(4, 6), x(4, 6), x(4, 6), x(2, 1, 1, 2), 4),
    attentionBackward: () =>
      ops.attentionBackward(x(2, 6), ops.attention(x(4, 6), x(4, 6), x(4, 6), x(2, 1, 1, 2), 2).saved),
    perExampleOuter: () => ops.perExampleOuter(x(4, 2), x(3, 2), 2),
    'perExampleOuter, examples': () => ops.perExampleOuter(x(4, 2), x(4, 2), 3),
    truncatedSum: () => ops.truncatedSum(x(4, 2), new Float32Array(3)),
  };
  test.each(Object.entries(cases))('%s', (_, run) => {
    const liveBefore = ops.liveTensors();
    expect(() =>
      ops.scope(() => {
        run();
        return null;
      }),
    ).toThrow(RangeError);
    expect(ops.liveTensors()).toBe(liveBefore);
  });

  test('a wrong number of factors, also outside of a scope, leaves nothing behind', () => {
    const gradients = ops.tensor(new Float32Array(8), [4, 2]);
    const liveBefore = ops.liveTensors();
    for (const sum of ['truncatedSum', 'weightedSum'] as const)
      expect(() => ops[sum](gradients, new Float32Array(3))).toThrow(/4 factors, got 3/);
    expect(ops.liveTensors()).toBe(liveBefore);
    ops.dispose(gradients);
  });
});

test('an engine without SIMD computes with tfjs alone, from weights in both orientations', () => {
  vi.spyOn(WebAssembly, 'Module').mockImplementation(function refuse() {
    throw new WebAssembly.CompileError('invalid value type');
  });
  expect(startWasmKernels()).toBeNull();
  const plain = createOps('wasm');
  expect(plain.frozenCopies).toBe(2);
  const frozen = plain.ops.frozenMatrix(new Float32Array(6), 3, 2);
  vi.restoreAllMocks();
  expect(frozen.transposed?.shape).toEqual([2, 3]);
  ops.dispose([frozen.weight, frozen.transposed]);
  expect(startWasmKernels()).not.toBeNull();
});
