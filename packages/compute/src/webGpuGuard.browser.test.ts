import * as tf from '@tensorflow/tfjs-core';
import type { MathBackendWebGL } from '@tensorflow/tfjs-backend-webgl';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { expect, test } from 'vitest';
import { chooseBackend, probeBackends } from './backendProbe.ts';
import { openCompute } from './compute.ts';
import { DeviceError } from './deviceError.ts';
import { wasmUrls } from './wasmUrls.ts';

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

test('the device has all that its adapter offers, not the least that is guaranteed', async () => {
  const { device } = await openCompute('webgpu');
  const adapter = (await navigator.gpu.requestAdapter())!;
  const { limits } = deviceOf();
  expect(limits.maxStorageBuffersPerShaderStage).toBe(adapter.limits.maxStorageBuffersPerShaderStage);
  // 8 are guaranteed, and tfjs leaves it at that
  expect(limits.maxStorageBuffersPerShaderStage).toBeGreaterThan(8);
  expect(device).toEqual({
    name: expect.stringMatching(/swiftshader/i) as string,
    software: true,
    frozenCopies: 1,
    maxTensorBytes: Math.min(adapter.limits.maxStorageBufferBindingSize, adapter.limits.maxBufferSize),
  });
});

test('a tensor larger than a binding is refused as it is asked for, uploaded or computed', async () => {
  const compute = await openCompute('webgpu');
  const { ops, device } = compute;
  const side = Math.ceil(Math.sqrt(device.maxTensorBytes! / 4)) + 1;
  const column = ops.tensor(new Float32Array(side), [side, 1]);
  const row = ops.tensor(new Float32Array(side), [1, side]);
  const step = () => Promise.resolve(ops.scope(() => ops.matMul(column, row)));
  await expect(compute.guard(step)).rejects.toMatchObject({
    code: 'DEVICE_ERROR',
    failure: 'memory',
    message: expect.stringMatching(/tensors of at most \d+ bytes, and one of \d+ bytes/) as string,
  });
  ops.dispose([column, row]);
  // The refused one left nothing behind
  expect(await compute.guard(() => Promise.resolve('fine'))).toBe('fine');
});

test('a binding that is too large stops the result, also where no tensor is', async () => {
  const { guard } = await openCompute('webgpu');
  const step = () => {
    const device = deviceOf();
    const layout = device.createBindGroupLayout({
      entries: [{ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'storage' } }],
    });
    const size = 2 ** Math.floor(Math.log2(device.limits.maxStorageBufferBindingSize)) + 256;
    const buffer = device.createBuffer({
      size: Math.min(size, device.limits.maxBufferSize),
      usage: GPUBufferUsage.STORAGE,
    });
    device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer, size: size + 4 } }] });
    return Promise.resolve('looks fine');
  };
  await expect(guard(step)).rejects.toMatchObject({ code: 'DEVICE_ERROR' });
});

test('a device that drops work without a word is found out, though its buffers hold old right answers', async () => {
  const { guard, ops } = await openCompute('webgpu');
  const step = async () => {
    const product = ops.scope(() => {
      const two = ops.tensor(Float32Array.of(2), [1, 1]);
      return ops.matMul(two, two);
    });
    const [four] = await ops.read(product);
    ops.dispose(product);
    return four;
  };
  expect(await guard(step)).toBe(4);
  const { queue } = deviceOf();
  queue.submit = () => undefined;
  const failure = await guard(step).catch((error: unknown) => error);
  expect(failure).toMatchObject({ message: expect.stringMatching(/known product wrongly/) as string });
});

test('an error between steps stops every later one: it may have spoiled a weight', async () => {
  const { guard } = await openCompute('webgpu');
  const device = deviceOf();
  const told = new Promise((resolve) => {
    device.addEventListener('uncapturederror', resolve, { once: true });
  });
  device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  device.queue.submit([]); // Chromium holds commands back until there is something to submit
  await told;
  for (const _ of [1, 2])
    await expect(guard(() => Promise.resolve('looks fine'))).rejects.toThrow(/reported/);
});

test('a lost device stops the step it is lost in and every later one, and can be opened again', async () => {
  const compute = await openCompute('webgpu');
  const product = async ({ ops }: typeof compute) => {
    const tensor = ops.scope(() =>
      ops.add(ops.tensor(Float32Array.of(1), [1]), ops.tensor(Float32Array.of(2), [1])),
    );
    const values = await ops.read(tensor);
    ops.dispose(tensor);
    return values[0];
  };
  const during = await compute
    .guard(async () => {
      deviceOf().destroy();
      return await product(compute);
    })
    .catch((error: unknown) => error);
  expect(during).toBeInstanceOf(DeviceError);
  expect(during).toMatchObject({ code: 'DEVICE_ERROR', failure: 'lost' });
  await expect(compute.guard(() => Promise.resolve('looks fine'))).rejects.toThrow(/was lost/);

  compute.dispose();
  const again = await openCompute('webgpu');
  expect(await again.guard(() => product(again))).toBe(3);
});

test('after dispose the device is gone, and another backend or the same can be opened', async () => {
  const first = await openCompute('webgpu');
  const device = deviceOf();
  first.dispose();
  expect((await device.lost).reason).toBe('destroyed');
  const other = await openCompute('wasm', { wasmUrls });
  expect(await other.guard(() => Promise.resolve(tf.getBackend()))).toBe('wasm');
  const second = await openCompute('webgpu');
  expect(await second.guard(() => Promise.resolve(tf.getBackend()))).toBe('webgpu');
  // One that was replaced already takes nothing from its successor
  first.dispose();
  expect(await second.guard(() => Promise.resolve('fine'))).toBe('fine');
});

test('WebGL: clean steps pass; a lost context stops the step instead of hanging it, and can be opened again', async () => {
  const step = async ({ ops }: Awaited<ReturnType<typeof openCompute>>) => {
    const tensor = ops.scope(() => ops.scale(ops.tensor(Float32Array.of(1, 2), [2]), 3));
    const values = [...(await ops.read(tensor))];
    ops.dispose(tensor);
    return values;
  };
  const compute = await openCompute('webgl');
  expect(compute.device).toMatchObject({ software: true, name: expect.stringMatching(/./) as string });
  for (const _ of [1, 2]) expect(await compute.guard(() => step(compute))).toEqual([3, 6]);
  const { gl } = (tf.backend() as MathBackendWebGL).gpgpu;
  const lost = compute.guard(() => {
    gl.getExtension('WEBGL_lose_context')!.loseContext();
    return step(compute);
  });
  await expect(lost).rejects.toMatchObject({ code: 'DEVICE_ERROR', failure: 'lost' });
  await expect(compute.guard(() => Promise.resolve('looks fine'))).rejects.toThrow(/was lost/);
  compute.dispose();
  const again = await openCompute('webgl');
  expect(await again.guard(() => step(again))).toEqual([3, 6]);
});

test('WebGL: an error it reports stops the result', async () => {
  const { guard } = await openCompute('webgl');
  const { gl } = (tf.backend() as MathBackendWebGL).gpgpu;
  const step = () => {
    gl.enable(0);
    return Promise.resolve('looks fine');
  };
  await expect(guard(step)).rejects.toThrow(/WebGL error 1280/);
  expect(await guard(() => Promise.resolve('fine'))).toBe('fine');
});
