import { expect, test } from 'vitest';
import { openCompute } from './compute.ts';

test.each(['cpu', 'wasm'] as const)('the guard on %s passes results and errors through', async (backend) => {
  const compute = await openCompute(backend);
  const liveBefore = compute.ops.liveTensors();
  expect(await compute.guard(() => Promise.resolve('result'))).toBe('result');
  await expect(compute.guard(() => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
  expect(compute.ops.liveTensors()).toBe(liveBefore);
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
