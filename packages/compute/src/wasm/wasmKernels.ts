import * as tf from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor } from '../ops.ts';
import { assemble } from './assembler.ts';
import { matMulKernels, PANEL_BYTES_PER_ROW, PANEL_COLUMNS } from './matMul.ts';
import { rowKernels } from './rowKernels.ts';

const FLOAT_BYTES = 4;
/** What `multiply` needs for the columns that do not fill a panel. */
const SPARE_BYTES = PANEL_COLUMNS * FLOAT_BYTES;

const MODULE = { ...matMulKernels, ...rowKernels };

type Exports = Record<keyof typeof MODULE, (...parameters: number[]) => void>;

/** A matrix in the backend's memory: address and strides in bytes. Swapped strides are its transpose. */
export type MatrixView = { address: number; rowStride: number; columnStride: number };

export function transposed({ address, rowStride, columnStride }: MatrixView): MatrixView {
  return { address, rowStride: columnStride, columnStride: rowStride };
}

/** Our kernels beside tfjs's own in the memory of its WebAssembly backend. */
export class WasmKernels {
  readonly run: Exports;
  readonly #backend: BackendWasm;
  #spare: { data: tf.TensorInfo | null; bytes: number } = { data: null, bytes: 0 };

  /** @throws {WebAssembly.CompileError} the engine has no SIMD */
  constructor(backend: BackendWasm, memory: WebAssembly.Memory) {
    this.#backend = backend;
    const module = new WebAssembly.Module(assemble(MODULE));
    this.run = new WebAssembly.Instance(module, { env: { memory } }).exports as Exports;
  }

  /** A new tensor, its values not yet written; it belongs to the current scope like any other. */
  output(shape: number[]): Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.#backend.makeOutput(shape, 'float32'), this.#backend);
  }

  /** Address of a tensor's values. They stay there while the tensor lives. */
  address(tensor: Tensor): number {
    return this.#backend.getMemoryOffset(tensor.dataId);
  }

  /** A row-major matrix of `columns` columns within a tensor, from the element `offset` on. */
  matrix(tensor: Tensor, columns: number, offset = 0): MatrixView {
    return {
      address: this.address(tensor) + offset * FLOAT_BYTES,
      rowStride: columns * FLOAT_BYTES,
      columnStride: FLOAT_BYTES,
    };
  }

  /** Working memory that is valid until the next call. */
  #workspace(bytes: number): number {
    const backend = this.#backend;
    if (bytes > this.#spare.bytes) {
      const { data } = this.#spare;
      // Before the next one is asked for: memory may be full, and the freed one must not be used again
      this.#spare = { data: null, bytes: 0 };
      if (data) backend.disposeData(data.dataId);
      this.#spare = { data: backend.makeOutput([bytes / FLOAT_BYTES], 'float32'), bytes };
    }
    return backend.getMemoryOffset(this.#spare.data!.dataId);
  }

  /**
   * to [rows, columns] = a [rows, inner] times b [inner, columns], plus a bias [columns] when its address is not 0.
   * A row of the result depends on that row of a only, bit by bit.
   * @param to rows of neighbouring columns
   */
  multiply(
    a: MatrixView,
    b: MatrixView,
    to: MatrixView,
    { rows, inner, columns }: { rows: number; inner: number; columns: number },
    bias = 0,
  ): void {
    const spare = this.#workspace(SPARE_BYTES + (inner + 1) * PANEL_BYTES_PER_ROW);
    const panel = spare + SPARE_BYTES;
    for (let first = 0; first < columns; first += PANEL_COLUMNS) {
      const count = Math.min(PANEL_COLUMNS, columns - first);
      const biases = bias === 0 ? 0 : bias + first * FLOAT_BYTES;
      const from = b.address + first * b.columnStride;
      this.run.pack(from, b.rowStride, b.columnStride, inner, count, biases, panel);
      const target = to.address + first * FLOAT_BYTES;
      this.run.multiply(
        a.address,
        a.rowStride,
        a.columnStride,
        panel,
        target,
        to.rowStride,
        rows,
        inner,
        count,
        spare,
      );
    }
  }
}

/**
 * Starts the kernels in the memory of the wasm backend that is set.
 * @returns null where they do not start: no SIMD, or a build of tfjs that does not show its memory
 */
export function startWasmKernels(): WasmKernels | null {
  const backend = tf.backend() as BackendWasm;
  // Emscripten keeps the exports of the module it started here
  const { asm } = backend.wasm as unknown as { asm?: { memory?: unknown } };
  if (!(asm?.memory instanceof WebAssembly.Memory)) return null;
  try {
    return new WasmKernels(backend, asm.memory);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return null;
    throw error;
  }
}
