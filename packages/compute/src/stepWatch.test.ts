import { expect, test } from 'vitest';
import { processorWatch } from './stepWatch.ts';

test('a trap of WebAssembly stops this step and every later one: its memory may be anything now', async () => {
  const watch = processorWatch();
  watch.begin();
  const trap = new WebAssembly.RuntimeError('unreachable');
  expect(await watch.end(trap)).toMatchObject({ code: 'DEVICE_ERROR', failure: 'fault', cause: trap });
  expect(() => watch.begin()).toThrow(/WebAssembly stopped: unreachable/);
});

test('memory that is full is told from other errors, and the next step is judged by itself', async () => {
  const watch = processorWatch();
  const overflow = new Error('allocation size overflow');
  overflow.name = 'InternalError';
  for (const thrown of [
    new RangeError('Array buffer allocation failed'),
    new RangeError('Invalid typed array length: 9007199254740991'),
    new RangeError('Out of memory'),
    overflow,
    'out of memory',
  ]) {
    watch.begin();
    expect(await watch.end(thrown)).toMatchObject({ failure: 'memory' });
  }
  watch.begin();
  for (const message of ['expected an array length of 3', 'the allocation of ranges is wrong'])
    expect(await watch.end(new RangeError(message))).toBeNull();
  expect(await watch.end(new Error('out of memory'))).toBeNull();
  expect(await watch.end(null)).toBeNull();
});

test.each<() => object>([() => Object.assign([], { length: -1 }), () => new Float32Array(-1)])(
  'a programming error is none of the device: %s',
  async (mistake) => {
    const watch = processorWatch();
    const thrown = await Promise.resolve()
      .then(mistake)
      .catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(Error);
    expect(await watch.end(thrown)).toBeNull();
  },
);

test('so do the engines themselves name it', async () => {
  const watch = processorWatch();
  const tooMuch: (() => object)[] = [() => new ArrayBuffer(2 ** 52), () => new Float32Array(2 ** 52)];
  for (const allocate of tooMuch) {
    const thrown = await Promise.resolve()
      .then(allocate)
      .catch((error: unknown) => error);
    expect(await watch.end(thrown)).toMatchObject({ failure: 'memory' });
  }
});
