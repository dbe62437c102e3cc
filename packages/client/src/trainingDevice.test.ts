import { expect, test, vi } from 'vitest';
import type { Compute } from '@chorale/trainer';
import { DeviceError, openCompute, probeBackends } from '@chorale/trainer';
import type { DeviceSource } from './trainingDevice.ts';
import { TrainingDevice } from './trainingDevice.ts';

const lost = new DeviceError('DEVICE_ERROR', 'The device was lost.', { failure: 'lost' });
const full = new DeviceError('DEVICE_ERROR', 'The memory is full.', { failure: 'memory' });

/** Real backends, of which a test may break some. */
function source(breakIt: (compute: Compute, opening: number) => void = () => undefined) {
  const opened: Compute[] = [];
  const disposed: Compute[] = [];
  const real: DeviceSource = {
    probe: probeBackends,
    open: async (...options) => {
      const compute = await openCompute(...options);
      const dispose = vi.spyOn(compute, 'dispose');
      dispose.mockImplementationOnce(() => {
        disposed.push(compute);
        dispose.mockRestore();
        compute.dispose();
      });
      breakIt(compute, opened.push(compute));
      return compute;
    },
  };
  return { real, opened, disposed, names: () => opened.map(({ backend }) => backend) };
}

/** Multiplies a little wrongly, as some drivers do. */
function multiplyWrongly({ ops }: Compute): void {
  const { linear } = ops;
  ops.linear = (...options) => ops.scale(linear(...options), 1.01);
}

test('the first backend that computes the self-test rightly is the device', async () => {
  const { real, names } = source();
  const report = await new TrainingDevice(null, real).check(null);
  expect(report).toMatchObject({ backend: 'wasm', forced: false, troubles: [] });
  expect(names()).toEqual(['wasm']);
});

test('one that computes the self-test wrongly is named with the reason, and the next one is taken', async () => {
  const { real, names, opened, disposed } = source((compute) => {
    if (compute.backend === 'wasm') multiplyWrongly(compute);
  });
  const device = new TrainingDevice(null, real);
  const report = await device.check(null);
  expect(names()).toEqual(['wasm', 'cpu']);
  expect(disposed).toEqual([opened[0]]);
  expect(report.backend).toBe('cpu');
  const wasm = report.candidates.find(({ backend }) => backend === 'wasm')!;
  expect(wasm.available).toBe(false);
  expect(wasm.detail).toMatch(/self-test/);
  expect(report.reason).toContain(wasm.detail);
  expect((await device.opened()).backend).toBe('cpu');
});

test('a forced one that computes wrongly is refused, never replaced', async () => {
  const { real, names } = source(multiplyWrongly);
  await expect(new TrainingDevice(null, real).check('wasm')).rejects.toMatchObject({
    code: 'DEVICE_UNSUPPORTED',
    message: expect.stringMatching(
      /^This device cannot use wasm: .*self-test.* without \?backend=wasm/,
    ) as string,
  });
  expect(names()).toEqual(['wasm']);
});

test('after a failure it is opened again once, then the next one; when none is left, it says so', async () => {
  const { real, names, opened, disposed } = source();
  const device = new TrainingDevice(null, real);
  await device.check(null);
  const again = await device.recover(lost, true);
  expect(again).toMatchObject({
    backend: 'wasm',
    troubles: [{ backend: 'wasm', what: 'The device was lost.', then: 'opened-again' }],
  });
  const next = await device.recover(lost, true);
  expect(next.backend).toBe('cpu');
  expect(next.troubles).toHaveLength(2);
  expect(next.troubles[1]).toMatchObject({ backend: 'wasm', then: 'next-backend' });
  expect(next.reason).toMatch(/wasm: failed again after it was opened again: The device was lost/);
  await device.recover(lost, true);
  await expect(device.recover(lost, true)).rejects.toMatchObject({
    code: 'DEVICE_UNSUPPORTED',
    message: expect.stringMatching(/no backend that can train .*cpu: failed again/) as string,
  });
  expect(names()).toEqual(['wasm', 'wasm', 'cpu', 'cpu']);
  expect(disposed).toEqual(opened);
  expect(device.stepShare).toBe(1);
});

test('one that does not come up again is given up at once', async () => {
  const { real } = source((compute, opening) => {
    if (opening === 2) multiplyWrongly(compute);
  });
  const device = new TrainingDevice(null, real);
  await device.check(null);
  const report = await device.recover(lost, true);
  expect(report.backend).toBe('cpu');
  expect(report.troubles).toMatchObject([
    { backend: 'wasm', what: expect.stringMatching(/was lost.*did not start again/), then: 'next-backend' },
  ]);
});

test('one whose memory was full is opened again for steps of half the size, as often as they can be halved', async () => {
  const { real, names } = source();
  const device = new TrainingDevice(null, real);
  await device.check(null);
  await device.recover(full, true);
  expect(device.stepShare).toBe(1 / 2);
  const report = await device.recover(full, true);
  expect(device.stepShare).toBe(1 / 4);
  expect(report.troubles.map(({ then }) => then)).toEqual(['smaller-steps', 'smaller-steps']);
  expect(names()).toEqual(['wasm', 'wasm', 'wasm']);
  // Nothing left to halve: a failure like any other
  await device.recover(full, false);
  expect(names()).toEqual(['wasm', 'wasm', 'wasm', 'wasm']);
  expect((await device.recover(full, false)).backend).toBe('cpu');
});

test('a forced one that fails again is not replaced either', async () => {
  const { real } = source();
  const device = new TrainingDevice(null, real);
  await device.check('wasm');
  await device.recover(lost, true);
  await expect(device.recover(lost, true)).rejects.toMatchObject({
    code: 'DEVICE_UNSUPPORTED',
    message: expect.stringMatching(/without \?backend=wasm/) as string,
  });
});

test('calls at the same time take turns: no device is opened beside another or closed while it is opened', async () => {
  const { real, opened, disposed } = source();
  const device = new TrainingDevice(null, real);
  const [, one, other] = await Promise.all([device.check(null), device.opened(), device.opened()]);
  expect(opened).toEqual([one]);
  expect(other).toBe(one);
  const reports = await Promise.all([device.check('cpu'), device.recover(lost, true), device.check('cpu')]);
  expect(reports.map(({ troubles }) => troubles.length)).toEqual([0, 1, 0]);
  expect(opened).toHaveLength(4);
  expect(disposed).toEqual(opened.slice(0, 3));
});

test('what was placed goes with its device', async () => {
  const { real } = source();
  const device = new TrainingDevice(null, real);
  const { ops } = await device.opened();
  const before = ops.liveTensors();
  const { placed } = await device.place(tensorOn, () => undefined);
  expect(device.holds(placed)).toBe(true);
  expect(ops.liveTensors()).toBe(before + 1);
  await device.recover(lost, true);
  expect(device.holds(placed)).toBe(false);
  expect(ops.liveTensors()).toBe(before);
});

/** Something that a device holds. */
function tensorOn({ ops }: Compute): { dispose(): void } {
  const tensor = ops.tensor(new Float32Array(4), [4]);
  return { dispose: () => ops.dispose(tensor) };
}
