import { frozenWeight, readCheckpoint } from '@chorale/model';
import { readTinyEncoder } from '@chorale/model/testing/tinyEncoder';
import { expectClose, relativeDifference } from '@chorale/testing/tolerance';
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { adapterLayout } from './adapterLayout.ts';
import type { AdapterConfig } from './adapterLayout.ts';
import { basisBytes, deriveBasis } from './basis.ts';

const adapter: AdapterConfig = {
  strategy: 'ffa-lora',
  rank: 8,
  alpha: 8,
  targetModules: ['query', 'value'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 1,
};
const checkpoint = readCheckpoint(await readTinyEncoder());
const { config: encoder } = checkpoint;
const weightOf = (module: string) => frozenWeight(checkpoint, module);
const layout = adapterLayout(encoder, adapter, 2);
const hashOf = (change: Partial<AdapterConfig>) =>
  createHash('sha256')
    .update(basisBytes(deriveBasis(layout, { ...adapter, ...change }, weightOf)))
    .digest('hex');

// SHA-256 by an independent derivation (Python, float64, from the comments of basis.ts and basisStream.ts)
test('the basis of the tiny encoder, rank 8, seed 1', () => {
  expect(hashOf({})).toBe('20cbccd233824c82e2d2b06a2c5d688a16f04ca0e2fd2ec2765543cc1ffdd648');
  expect(hashOf({ basis: 'kaiming' })).toBe(
    '8c91b27160ebfe49ba0f547ee88df4e56e27f04528ef80eb111677ffa80c990a',
  );
  expect(hashOf({ seed: 2 })).not.toBe(hashOf({}));
});

test('the bytes are little-endian float32 in layout order', () => {
  const basis = deriveBasis(layout, adapter, weightOf);
  expect(basis.map((a) => a.length)).toEqual([1024, 1024, 1024, 1024]);
  const view = new DataView(basisBytes(basis).buffer);
  expect(view.byteLength).toBe(4 * 4096);
  expect(view.getFloat32(0, true)).toBe(Math.fround(0.06567753851413727));
  expect(view.getFloat32(4 * 4095, true)).toBe(basis[3]![1023]);
});

test('columns of every orthonormal A are orthonormal, and differ between modules', () => {
  const basis = deriveBasis(layout, adapter, weightOf);
  basis.forEach((a) => {
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < 8; j++) {
        let dot = 0;
        for (let row = 0; row < 128; row++) dot += a[row * 8 + i]! * a[row * 8 + j]!;
        expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-6);
      }
    }
  });
  expect(basis[0]).not.toEqual(basis[1]);
});

test('a square orthonormal A, the largest rank there is', () => {
  const square = { ...layout, rank: 16, modules: [{ ...layout.modules[0]!, inDim: 16, outDim: 4 }] };
  const [a] = deriveBasis(square, adapter, weightOf) as [Float32Array];
  for (let i = 0; i < 16; i++) {
    for (let j = 0; j <= i; j++) {
      let dot = 0;
      for (let row = 0; row < 16; row++) dot += a[row * 16 + i]! * a[row * 16 + j]!;
      expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-6);
    }
  }
});

test('kaiming entries fill ±1/sqrt(inDim) and no more', () => {
  const basis = deriveBasis(layout, { ...adapter, basis: 'kaiming' }, weightOf);
  const bound = 1 / Math.sqrt(128);
  const all = basis.flatMap((a) => [...a]);
  expect(Math.max(...all)).toBeLessThanOrEqual(Math.fround(bound));
  expect(Math.max(...all)).toBeGreaterThan(0.99 * bound);
  expect(Math.min(...all)).toBeGreaterThanOrEqual(-Math.fround(bound));
  expect(Math.min(...all)).toBeLessThan(-0.99 * bound);
  const variance = all.reduce((sum, value) => sum + value ** 2, 0) / all.length;
  expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 1);
});

test('every module has the singular vectors of its own weight', () => {
  const basis = deriveBasis(layout, { ...adapter, basis: 'svd' }, weightOf);
  const asked: string[] = [];
  layout.modules.forEach(({ name }, i) => {
    const one = { ...layout, modules: [layout.modules[i]!] };
    const [alone] = deriveBasis(one, { basis: 'svd', seed: 5 }, (module) => {
      asked.push(module);
      return weightOf(module);
    });
    // Another seed starts elsewhere and ends in the same place
    expectClose(basis[i]!, alone!, 1e-3, name);
  });
  expect(asked).toEqual(layout.modules.map(({ name }) => name));
  expectFar(basis[0]!, basis[1]!);
});

function expectFar(x: Float32Array, y: Float32Array): void {
  expect(relativeDifference(x, y)).toBeGreaterThan(0.1);
}
