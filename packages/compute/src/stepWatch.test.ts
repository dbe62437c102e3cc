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
  for (const message of ['Array buffer allocation failed', 'Invalid typed array length: 9007199254740991']) {
    watch.begin();
    expect(await watch.end(new RangeError(message))).toMatchObject({ failure: 'memory' });
  }
  watch.begin();
  expect(await watch.end(new RangeError('microBatchSize must be an integer'))).toBeNull();
  expect(await watch.end(null)).toBeNull();
});

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
