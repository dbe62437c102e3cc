import { DeviceError } from './deviceError.ts';
import type { Ops, Tensor } from './ops.ts';

const SIZE = 32;
/** The largest whole number whose square times SIZE is exact in float32 (at most 2^24). */
const MOST = 724;

/**
 * Multiplications whose answer is known, among those of a step. Each has another answer than the one before: a device
 * that drops work gives out what a buffer held before.
 */
export class Canary {
  readonly #ops: Ops;
  readonly #read: Ops['read'];
  #planted: { product: Tensor; expected: number }[] = [];
  #last = 0;

  /** @param read reads back and plants nothing */
  constructor(ops: Ops, read: Ops['read']) {
    this.#ops = ops;
    this.#read = read;
  }

  /** Enqueues one. Just before a readback, it goes to the device in the same submission as what is read. */
  plant(): void {
    const value = (this.#last % MOST) + 1;
    this.#last = value;
    const ops = this.#ops;
    const product = ops.scope(() => {
      const matrix = ops.tensor(new Float32Array(SIZE * SIZE).fill(value), [SIZE, SIZE]);
      return ops.matMul(matrix, matrix);
    });
    // Every entry of a product of two matrices full of v is SIZE times v squared
    this.#planted.push({ product, expected: SIZE * value * value });
  }

  /** @throws {DeviceError} DEVICE_ERROR: one of those planted since the last check came out wrong */
  async check(): Promise<void> {
    if (this.#planted.length === 0) this.plant();
    const planted = this.#planted;
    const answers = await Promise.all(planted.map(({ product }) => this.#read(product)));
    const right = answers.every(
      (values, i) => values.length === SIZE * SIZE && values.every((value) => value === planted[i]!.expected),
    );
    if (right) return;
    throw new DeviceError(
      'DEVICE_ERROR',
      'The device computed a known product wrongly; its results were thrown away.',
    );
  }

  /** Frees what was planted. */
  forget(): void {
    this.#ops.dispose(this.#planted.map(({ product }) => product));
    this.#planted = [];
  }
}
