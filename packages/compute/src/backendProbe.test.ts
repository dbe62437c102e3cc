import { expect, test } from 'vitest';
import type { BackendName, BackendProbe } from './backendProbe.ts';
import { BACKEND_ORDER, chooseBackend, probeBackends } from './backendProbe.ts';

function probe(backend: BackendName, state: 'available' | 'software' | 'missing'): BackendProbe {
  return {
    backend,
    available: state !== 'missing',
    software: state === 'software',
    detail: `${backend} is ${state}`,
  };
}

/** A device with the named state of each backend, in the order they are tried. */
function device(...states: Parameters<typeof probe>[1][]): BackendProbe[] {
  return BACKEND_ORDER.map((backend, i) => probe(backend, states[i]!));
}

test('the fastest backend there is, is chosen', () => {
  const choose = (...states: Parameters<typeof device>) => chooseBackend(device(...states), null).backend;
  expect(choose('available', 'available', 'available', 'available')).toBe('webgpu');
  expect(choose('missing', 'available', 'available', 'available')).toBe('webgl');
  expect(choose('missing', 'missing', 'available', 'available')).toBe('wasm');
  expect(choose('missing', 'missing', 'missing', 'available')).toBe('cpu');
});

test('a renderer in software is passed over, with the reason', () => {
  const chosen = chooseBackend(device('software', 'software', 'available', 'available'), null);
  expect(chosen).toEqual({
    backend: 'wasm',
    reason: 'not used: webgpu: webgpu is software; webgl: webgl is software',
  });
});

test('a renderer in software is used when it is asked for', () => {
  const chosen = chooseBackend(device('software', 'software', 'available', 'available'), 'webgpu');
  expect(chosen).toEqual({ backend: 'webgpu', reason: 'asked for by ?backend=webgpu' });
});

test('a missing backend that is asked for is refused, never replaced', () => {
  expect(() => chooseBackend(device('missing', 'available', 'available', 'available'), 'webgpu')).toThrow(
    expect.objectContaining({
      code: 'DEVICE_UNSUPPORTED',
      message: 'This device cannot use webgpu: webgpu is missing. Open the page without ?backend=webgpu.',
    }) as Error,
  );
});

test('a device without any backend is refused', () => {
  expect(() => chooseBackend(device('missing', 'missing', 'missing', 'missing'), null)).toThrow(
    expect.objectContaining({ code: 'DEVICE_UNSUPPORTED' }) as Error,
  );
  expect(() => chooseBackend(device('software', 'missing', 'missing', 'missing'), null)).toThrow(
    /no backend/,
  );
});

test('Node offers wasm and cpu, and says what is missing', async () => {
  const probes = await probeBackends();
  expect(probes.map(({ backend, available }) => [backend, available])).toEqual([
    ['webgpu', false],
    ['webgl', false],
    ['wasm', true],
    ['cpu', true],
  ]);
  expect(chooseBackend(probes, null).backend).toBe('wasm');
  expect(probes[2]!.detail).toBe('WebAssembly with SIMD, on the processor');
});
