import { expect, test } from 'vitest';
import type { Definition } from './assembler.ts';
import { assemble, define, f32, f32x4, i32 } from './assembler.ts';

function start(functions: Record<string, Definition>) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(assemble(functions)), { env: { memory } });
  return {
    run: instance.exports as Record<string, (...parameters: number[]) => void>,
    floats: new Float32Array(memory.buffer),
  };
}

test.each([0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)])(
  'the constant %i',
  (value) => {
    const { run, floats } = start({
      write: define([], (body) => body.store(i32.const(0), f32.convert(i32.const(value)))),
    });
    run['write']!();
    // Converted without a sign, as `f32.convert` does
    expect(floats[0]).toBe(Math.fround(value >>> 0));
  },
);

test('a loop, a branch, more than 127 variables and a store at a large offset', () => {
  const { run, floats } = start({
    unused: define(['f32'], () => {}),
    /** At 16 * 300: the sum of the `count` floats at `from`, or -1 for none. */
    sum: define(['i32', 'i32'], (body, from, count) => {
      const zero = f32.const(0);
      const sums = Array.from({ length: 200 }, () => body.variable(zero));
      const last = sums.at(-1)!;
      const left = body.variable(count);
      body.when(
        left,
        () =>
          body.while(left, () => {
            body.set(last, f32.add(last, f32.load(from)));
            body.advance(from, 4);
            body.advance(left, -1);
          }),
        () => body.set(last, f32.const(-1)),
      );
      body.store(i32.const(0), last, 16 * 300);
    }),
  });
  floats.set([1, 2, 4, 8], 2);
  run['sum']!(8, 4);
  expect(floats[1200]).toBe(15);
  run['sum']!(8, 0);
  expect(floats[1200]).toBe(-1);
});

test('powers of two come from the exponent bits, and masks choose lane by lane', () => {
  const { run, floats } = start({
    vectors: define([], (body) => {
      const x = body.variable(f32x4.load(i32.const(0)));
      body.store(i32.const(16), f32x4.exponent(x));
      const below = f32x4.lessThan(x, f32x4.const(1));
      body.store(i32.const(32), f32x4.select(below, f32x4.const(-5), x));
      body.storeFirst(i32.const(48), f32x4.loadSplat(i32.const(8)));
    }),
  });
  floats.set([-126, 0, 1, 127, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7]);
  run['vectors']!();
  expect([...floats.subarray(4, 8)]).toEqual([2 ** -126, 1, 2, 2 ** 127]);
  expect([...floats.subarray(8, 12)]).toEqual([-5, -5, 1, 127]);
  expect([...floats.subarray(12, 14)]).toEqual([1, 7]);
});
