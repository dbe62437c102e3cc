import type { Compute, Ops, Tensor } from '@chorale/compute';
import { DeviceError, openCompute } from '@chorale/compute';
import { describe, expect, test } from 'vitest';
import { ANSWERS } from './answers.ts';
import { deviationOf, fingerprintOf } from './fingerprint.ts';
import { fixedStep } from './fixedStep.ts';
import { SELF_TEST_TOLERANCE, selfTest } from './selfTest.ts';

/** Any operation, to put something before or behind it. */
type AnyOp = (...args: unknown[]) => unknown;

/** The backend with one operation changed: `change` gets its result and its arguments. */
function broken(
  compute: Compute,
  name: keyof Ops,
  change: (result: unknown, args: unknown[]) => unknown,
): Compute {
  const original = compute.ops[name] as AnyOp;
  return {
    ...compute,
    ops: { ...compute.ops, [name]: (...args: unknown[]) => change(original(...args), args) },
  };
}

/** Every tensor in a result, changed. */
function mapTensors(result: unknown, change: (tensor: Tensor) => Tensor): unknown {
  if (typeof result !== 'object' || result === null) return result;
  if ('dataId' in result) return change(result as Tensor);
  return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, mapTensors(value, change)]));
}

describe.each(['cpu', 'wasm'] as const)('on %s', (backend) => {
  test('the device passes, with room to the tolerance, and nothing is left on it', async () => {
    const compute = await openCompute(backend);
    const liveBefore = compute.ops.liveTensors();
    await selfTest(compute);
    const results = await fixedStep(compute.ops);
    expect([...results.keys()]).toEqual(Object.keys(ANSWERS));
    const deviations = [...results].map(([name, values]) =>
      deviationOf(fingerprintOf(values), ANSWERS[name]!),
    );
    console.info(`${backend}: largest deviation ${Math.max(...deviations).toExponential(2)}`);
    expect(Math.max(...deviations)).toBeLessThan(SELF_TEST_TOLERANCE / 20);
    expect(compute.ops.liveTensors()).toBe(liveBefore);
  });
});

// What is wrong first, for each operation that is wrong by a thousandth
test.each<[keyof Ops, RegExp]>([
  ['activation', /"activation gelu" deviates/],
  ['activationBackward', /"gradient of activation gelu" deviates/],
  ['linear', /"hidden state" deviates/],
  ['matMul', /"hidden state" deviates/],
  ['attention', /"hidden state" deviates/],
  ['layerNorm', /"hidden state" deviates/],
  ['add', /"hidden state" deviates/],
  ['scale', /"hidden state" deviates/],
  ['poolTokens', /"pooled state" deviates/],
  ['addBias', /"logits" deviates/],
  ['softmaxCrossEntropy', /"losses" deviates/],
  ['perExampleOuter', /"gradient of the head" deviates/],
  ['matMulNT', /"gradient of B of encoder\.layer\.0\.output\.dense" deviates/],
  ['poolTokensBackward', /"gradient of B of encoder\.layer\.0\.output\.dense" deviates/],
  ['layerNormBackward', /"gradient of B of encoder\.layer\.0\.output\.dense" deviates/],
  ['linearBackward', /"gradient of B of encoder\.layer\.0\.output\.dense" deviates/],
  ['attentionBackward', /"gradient of B of encoder\.layer\.0\.attention\.self\.query" deviates/],
  ['packExamples', /"all gradients" deviates/],
  ['squaredNorms', /"squared norms of gradients" deviates/],
  ['weightedSum', /"weighted sum of gradients" deviates/],
  ['truncatedSum', /"truncated sum" deviates/],
  ['matrixAt', /"slice of a vector" deviates/],
])('a device whose %s is wrong is refused by name', async (name, message) => {
  const compute = await openCompute('cpu');
  const wrong = broken(compute, name, (result) =>
    mapTensors(result, (tensor) => compute.ops.scale(tensor, 1.001)),
  );
  await expect(selfTest(wrong)).rejects.toThrow(DeviceError);
  await expect(selfTest(wrong)).rejects.toThrow(message);
  await expect(selfTest(wrong)).rejects.toMatchObject({ code: 'DEVICE_UNSUPPORTED' });
});

test('a device that gives zeros, NaN or too few values is refused', async () => {
  const compute = await openCompute('cpu');
  const { ops } = compute;
  const zeros = broken(compute, 'attentionBackward', (result) =>
    mapTensors(result, (tensor) => ops.scale(tensor, 0)),
  );
  await expect(selfTest(zeros)).rejects.toThrow(/attention\.self\.query" deviates by 1\.0,/);
  const nan = broken(compute, 'read', async (values) =>
    (await (values as Promise<Float32Array>)).fill(NaN, 0, 1),
  );
  await expect(selfTest(nan)).rejects.toThrow(/deviates by NaN/);
  const short = broken(compute, 'read', async (values) => (await (values as Promise<Float32Array>)).slice(1));
  await expect(selfTest(short)).rejects.toThrow(DeviceError);
});

test('a device that computes in 16 bits is refused', async () => {
  const compute = await openCompute('cpu');
  const { ops } = compute;
  // Veltkamp's splitting: c = (2^13 + 1) x; c - (c - x) is x rounded to 24 - 13 = 11 bits, as many as binary16 has
  const halved = (x: Tensor): Tensor => {
    const c = ops.scale(x, 2 ** 13 + 1);
    return ops.add(c, ops.scale(ops.add(c, ops.scale(x, -1)), -1));
  };
  const changed = Object.entries(ops).map(([name, op]) => {
    const isOp = !['tensor', 'frozenMatrix', 'read', 'dispose', 'scope', 'liveTensors'].includes(name);
    return [name, isOp ? (...args: unknown[]) => mapTensors((op as AnyOp)(...args), halved) : op];
  });
  const coarse: Compute = { ...compute, ops: Object.fromEntries(changed) as Ops };
  await expect(selfTest(coarse)).rejects.toThrow(/deviates/);
});
