import { expect, test } from 'vitest';
import { deviceMemoryGiB, stepMemoryBytes } from './memoryBudget.ts';

const MB = 1e6;

test.each([
  // The tab's gigabyte, less three times the files, halved for tfjs's pool
  [
    { deviceMemoryGiB: null, backend: 'webgpu', frozenCopies: 1, modelBytes: 50 * MB } as const,
    (1000 - 150) / 2,
  ],
  [{ deviceMemoryGiB: 8, backend: 'webgl', frozenCopies: 1, modelBytes: 50 * MB } as const, (1000 - 150) / 2],
  // On the processor memory is given back; our own kernels need one orientation of the weights, tfjs's need two
  [{ deviceMemoryGiB: 8, backend: 'wasm', frozenCopies: 1, modelBytes: 50 * MB } as const, 1000 - 150],
  [{ deviceMemoryGiB: 8, backend: 'wasm', frozenCopies: 2, modelBytes: 50 * MB } as const, 1000 - 250],
  // A quarter of two GiB
  [{ deviceMemoryGiB: 2, backend: 'cpu', frozenCopies: 2, modelBytes: 50 * MB } as const, 2 ** 29 / MB - 250],
  // A model larger than all of it leaves an eighth
  [{ deviceMemoryGiB: null, backend: 'wasm', frozenCopies: 1, modelBytes: 500 * MB } as const, 125],
])('%j: %f MB', (device, expected) => {
  expect(stepMemoryBytes(device) / MB).toBeCloseTo(expected, 6);
});

test('Node tells nothing of its memory', () => {
  expect(deviceMemoryGiB()).toBeNull();
});
