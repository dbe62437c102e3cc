import * as tf from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { expect, test } from 'vitest';
import { chooseBackend, probeBackends } from './backendProbe.ts';
import { openCompute } from './compute.ts';
import { DeviceError } from './deviceError.ts';

const deviceOf = () => (tf.backend() as WebGPUBackend).device;

test('the probe finds SwiftShader and calls it software', async () => {
  const probes = await probeBackends();
  expect(probes.map(({ backend, available, software }) => [backend, available, software])).toEqual([
    ['webgpu', true, true],
    ['webgl', true, true],
    ['wasm', true, false],
    ['cpu', true, false],
  ]);
  expect(probes[0]!.detail).toMatch(/swiftshader.*\(in software\)/i);
  expect(chooseBackend(probes, null)).toMatchObject({ backend: 'wasm' });
  expect(chooseBackend(probes, 'webgpu')).toMatchObject({ backend: 'webgpu' });
});

test('a clean step passes', async () => {
  const { guard, ops } = await openCompute('webgpu');
  const sum = await guard(async () => {
    const tensor = ops.scope(() =>
      ops.add(ops.tensor(Float32Array.of(1, 2), [2]), ops.tensor(Float32Array.of(3, 4), [2])),
    );
    const values = await ops.read(tensor);
    ops.dispose(tensor);
    return [...values];
  });
  expect(sum).toEqual([4, 6]);
});

test('a validation error inside a step stops its result', async () => {
  const { guard } = await openCompute('webgpu');
  const step = () => {
    const device = deviceOf();
    device.createBuffer({ size: 2 * device.limits.maxBufferSize, usage: GPUBufferUsage.STORAGE });
    return Promise.resolve('looks fine');
  };
  const failure = await guard(step).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(DeviceError);
  expect(failure).toMatchObject({
    code: 'DEVICE_ERROR',
    message: expect.stringMatching(/^The graphics device reported: ./) as string,
  });
  // The scopes were popped: the next step is judged by itself
  expect(await guard(() => Promise.resolve('fine'))).toBe('fine');
});

test('a shader that does not compile stops the result', async () => {
  const { guard } = await openCompute('webgpu');
  const step = () => {
    const device = deviceOf();
    const module = device.createShaderModule({ code: 'this is no WGSL' });
    device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
    return Promise.resolve('looks fine');
  };
  await expect(guard(step)).rejects.toBeInstanceOf(DeviceError);
});

test('what a step throws is passed on when the device is well, and is the cause when it is not', async () => {
  const { guard } = await openCompute('webgpu');
  await expect(guard(() => Promise.reject(new RangeError('mine')))).rejects.toThrow(RangeError);
  const step = () => {
    deviceOf().createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    return Promise.reject(new RangeError('mine'));
  };
  const failure = await guard(step).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(DeviceError);
  expect((failure as DeviceError).cause).toBeInstanceOf(RangeError);
});

// Last: nothing works on this page afterwards
test('a lost device stops the step it is lost in and every later one', async () => {
  const { guard } = await openCompute('webgpu');
  const step = () => {
    deviceOf().destroy();
    return Promise.resolve('looks fine');
  };
  const during = await guard(step).catch((error: unknown) => error);
  expect(during).toBeInstanceOf(DeviceError);
  expect(during).toMatchObject({ code: 'DEVICE_ERROR' });
  await expect(guard(() => Promise.resolve('looks fine'))).rejects.toThrow(/was lost/);
});
