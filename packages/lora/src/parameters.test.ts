import { readCheckpoint } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { expect, test } from 'vitest';
import type { AdapterConfig } from './adapterLayout.ts';
import { adapterLayout } from './adapterLayout.ts';
import { deriveBasis } from './basis.ts';
import { initialHead, initialParameters } from './parameters.ts';

const adapter: AdapterConfig = {
  strategy: 'ffa-lora',
  rank: 2,
  alpha: 8,
  targetModules: ['query', 'value'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 1,
};
const checkpoint = readCheckpoint(tinyModel(1, undefined, { classCount: 3 }));
const layoutFor = (change: Partial<AdapterConfig>, classCount: number) =>
  adapterLayout(checkpoint.config, { ...adapter, ...change }, classCount);
const startOf = (change: Partial<AdapterConfig>, classCount: number) => {
  const layout = layoutFor(change, classCount);
  const basis = deriveBasis(layout, adapter, () => expect.fail('no weight is needed'));
  const { classifier } = checkpoint;
  return { layout, basis, parameters: initialParameters(layout, adapter, { basis, classifier }) };
};

test('training starts at B = 0 and, with another number of classes than the checkpoint, at the public head', () => {
  const { layout, parameters } = startOf({}, 2);
  expect(parameters.length).toBe(4 * 2 * 8 + 16 + 2);
  expect(parameters.subarray(0, 64)).toEqual(new Float32Array(64));
  const { weight, bias } = initialHead(layout, adapter, null);
  // The stream's first values: docs/basis.md
  expect([...weight.subarray(0, 4)]).toEqual(
    [0.016111461, -0.011919656, -0.0009553039, 0.003918916].map(Math.fround),
  );
  expect(bias).toEqual(new Float32Array(2));
  expect(parameters.subarray(64, 80)).toEqual(weight);
  expect(parameters.subarray(80)).toEqual(bias);
});

test("with the checkpoint's number of classes the head is the checkpoint's", () => {
  const { layout, parameters } = startOf({}, 3);
  const { weight, bias } = checkpoint.classifier!;
  expect(weight.some((value) => value !== 0) && bias.some((value) => value !== 0)).toBe(true);
  expect(parameters.subarray(64)).toEqual(Float32Array.of(...weight, ...bias));
  expect(initialHead(layout, adapter, checkpoint.classifier)).toEqual({ weight, bias });
  const wrong = { ...checkpoint.classifier!, weight: weight.subarray(1) };
  expect(() => initialHead(layout, adapter, wrong)).toThrow(/expected a classifier of 8 times 3/);
});

test('a frozen head is no parameter', () => {
  expect(startOf({ head: 'frozen' }, 3).parameters).toEqual(new Float32Array(64));
});

test.each(['lora', 'rolora'] as const)('%s starts with the basis as A', (strategy) => {
  const { layout, basis, parameters } = startOf({ strategy }, 3);
  layout.modules.forEach(({ aOffset }, i) => {
    expect(parameters.subarray(aOffset!, aOffset! + 16)).toEqual(basis[i]);
  });
  expect(parameters.subarray(0, 64)).toEqual(new Float32Array(64));
  expect(parameters.length).toBe(64 + 27 + 64);
});
