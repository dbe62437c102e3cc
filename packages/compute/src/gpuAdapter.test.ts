import { expect, test } from 'vitest';
import { gpuAdapterFacts } from './gpuAdapter.ts';

test('an adapter known to compute wrong gradients is named', () => {
  expect(gpuAdapterFacts({ vendor: 'img-tec', architecture: 'd-series' })).toEqual({
    name: 'img-tec d-series',
    software: false,
    knownBad: 'this graphics chip (PowerVR) is known to compute wrong gradients',
  });
});

test.each([
  [{ vendor: 'google', architecture: 'swiftshader' }, true],
  [{ vendor: 'mesa', description: 'llvmpipe (LLVM 15.0.6, 256 bits)' }, true],
  [{ vendor: 'microsoft', description: 'Microsoft Basic Render Driver' }, true],
  [{ vendor: 'intel', architecture: 'gen-12lp', isFallbackAdapter: true }, true],
  [{ vendor: 'nvidia', architecture: 'ampere', isFallbackAdapter: false }, false],
  // Browsers may say nothing at all
  [{}, false],
])('%j: in software %j', (info, software) => {
  expect(gpuAdapterFacts(info)).toMatchObject({ software, knownBad: null });
});

test('the best name there is, is taken', () => {
  const { name } = gpuAdapterFacts({ vendor: 'apple', architecture: 'metal-3', description: 'Apple M2' });
  expect(name).toBe('Apple M2');
  expect(gpuAdapterFacts({ vendor: 'nvidia', architecture: '', device: '0x2684' }).name).toBe(
    'nvidia 0x2684',
  );
  expect(gpuAdapterFacts({}).name).toBe('unnamed adapter');
});
