import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { openCompute } from './compute.ts';

test.each(['cpu', 'wasm'] as const)('the guard on %s passes results and errors through', async (backend) => {
  const compute = await openCompute(backend);
  const liveBefore = compute.ops.liveTensors();
  expect(await compute.guard(() => Promise.resolve('result'))).toBe('result');
  await expect(compute.guard(() => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
  expect(compute.ops.liveTensors()).toBe(liveBefore);
});

test.each(['cpu', 'wasm'] as const)('%s can be opened again after dispose', async (backend) => {
  const first = await openCompute(backend);
  const before = tf.backend();
  first.dispose();
  const again = await openCompute(backend);
  expect(tf.backend()).not.toBe(before);
  const values = await again.guard(async () => {
    const tensor = again.ops.scope(() => again.ops.scale(again.ops.tensor(Float32Array.of(1, 2), [2]), 3));
    const read = await again.ops.read(tensor);
    again.ops.dispose(tensor);
    return [...read];
  });
  expect(values).toEqual([3, 6]);
});

test('what an earlier device took with it is not counted as live on the next one', async () => {
  const first = await openCompute('wasm');
  const before = first.ops.liveTensors();
  first.ops.tensor(new Float32Array(4), [4]);
  expect(first.ops.liveTensors()).toBe(before + 1);
  first.dispose();
  expect((await openCompute('wasm')).ops.liveTensors()).toBe(0);
});

test.each(['cpu', 'wasm'] as const)('%s says how often it keeps a frozen matrix', async (backend) => {
  const { ops, device } = await openCompute(backend);
  const frozen = ops.frozenMatrix(new Float32Array(6), 3, 2);
  expect(device.frozenCopies).toBe(frozen.transposed === null ? 1 : 2);
  ops.dispose([frozen.weight, frozen.transposed]);
});

test('a step inside another one is a mistake, and the outer one stays guarded', async () => {
  const { guard } = await openCompute('cpu');
  const { promise, resolve } = Promise.withResolvers<void>();
  const outer = guard(async () => {
    await promise;
    return 'outer';
  });
  await expect(guard(() => Promise.resolve('inner'))).rejects.toThrow(/one guarded step at a time/);
  await expect(guard(() => Promise.resolve('inner'))).rejects.toThrow(/one guarded step at a time/);
  resolve();
  expect(await outer).toBe('outer');
  expect(await guard(() => Promise.resolve('next'))).toBe('next');
});

test('wasm refuses a tensor over its address space instead of giving it a piece of another one', async () => {
  const { ops, guard, device } = await openCompute('wasm');
  // 2^16 by 2^16 floats are 2^34 bytes, of which 32 bits keep none
  const side = 2 ** 16;
  const column = ops.tensor(new Float32Array(side), [side, 1]);
  const row = ops.tensor(new Float32Array(side), [1, side]);
  const step = () => Promise.resolve(ops.scope(() => ops.matMul(column, row)));
  expect(device.maxTensorBytes).toBe(2 ** 31 - 1);
  await expect(guard(step)).rejects.toMatchObject({ code: 'DEVICE_ERROR', failure: 'memory' });
  ops.dispose([column, row]);
});

test('wasm whose memory is full says so instead of writing over other tensors', async () => {
  const { ops, guard, dispose } = await openCompute('wasm');
  const { wasm } = tf.backend() as BackendWasm;
  const { _malloc: allocate } = wasm as object as { _malloc: (bytes: number) => number };
  // Three of its four gigabytes; never touched, so that they take no real memory
  for (let i = 0; i < 3; i++) allocate(2 ** 30);
  const side = 2 ** 14;
  const column = ops.tensor(new Float32Array(side), [side, 1]);
  const row = ops.tensor(new Float32Array(side), [1, side]);
  const step = () => Promise.resolve(ops.scope(() => ops.matMul(column, row))); // one gigabyte more
  await expect(guard(step)).rejects.toMatchObject({ code: 'DEVICE_ERROR', failure: 'memory' });
  ops.dispose([column, row]);
  dispose();
});

test('a device that multiplies wrongly is found out', async () => {
  const compute = await openCompute('cpu');
  const { matMul } = compute.ops;
  compute.ops.matMul = (a, b) => compute.ops.scale(matMul(a, b), 1.0001);
  await expect(compute.guard(() => Promise.resolve('result'))).rejects.toMatchObject({
    name: 'DeviceError',
    code: 'DEVICE_ERROR',
    message: expect.stringMatching(/known product wrongly/) as string,
  });
});

test('a step that changes the weights it borrowed cannot go unseen: read gives a copy', async () => {
  const { ops } = await openCompute('cpu');
  const given = Float32Array.of(1, 2);
  const tensor = ops.tensor(given, [2]);
  given[0] = 9;
  const read = await ops.read(tensor);
  expect([...read]).toEqual([1, 2]);
  read[1] = 9;
  expect([...(await ops.read(tensor))]).toEqual([1, 2]);
  ops.dispose(tensor);
});

test.each(['webgpu', 'webgl'] as const)('Node has no %s', async (backend) => {
  await expect(openCompute(backend)).rejects.toMatchObject({ code: 'DEVICE_UNSUPPORTED' });
});
