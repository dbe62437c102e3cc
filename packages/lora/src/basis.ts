import type { AdapterConfig, AdapterLayout } from './adapterLayout.ts';
import { BasisStream } from './basisStream.ts';

/** The frozen A of every adapted module, in layout order; A is [inDim, rank], row-major. */
export type Basis = Float32Array[];

/**
 * Derives the frozen A matrices. Server and tabs each do it; A never crosses the wire.
 * - `kaiming`: entries uniform in ±1/sqrt(inDim), PEFT's start (Kaiming uniform with a = sqrt 5).
 * - `orthonormal`: columns of nearly normal entries made orthonormal by modified Gram-Schmidt, applied twice.
 */
export function deriveBasis(
  layout: AdapterLayout,
  { basis, seed }: Pick<AdapterConfig, 'basis' | 'seed'>,
): Basis {
  const stream = new BasisStream(seed, basis);
  return layout.modules.map(({ inDim }) => {
    switch (basis) {
      case 'kaiming':
        return kaiming(stream, inDim, layout.rank);
      case 'orthonormal':
        return orthonormal(stream, inDim, layout.rank);
      default:
        return basis satisfies never;
    }
  });
}

/** The bytes whose SHA-256 is the basis hash: all A in layout order as little-endian float32. */
export function basisBytes(basis: Basis): Uint8Array {
  const bytes = new Uint8Array(basis.reduce((sum, a) => sum + 4 * a.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const a of basis) {
    for (const value of a) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  return bytes;
}

function kaiming(stream: BasisStream, inDim: number, rank: number): Float32Array {
  const bound = 1 / Math.sqrt(inDim);
  return Float32Array.from({ length: inDim * rank }, () => (2 * stream.uniform() - 1) * bound);
}

function orthonormal(stream: BasisStream, inDim: number, rank: number): Float32Array {
  const columns = Array.from({ length: rank }, () =>
    Float64Array.from({ length: inDim }, () => stream.bell()),
  );
  columns.forEach((column, index) => {
    // Twice: one pass leaves rounding errors of the size of the largest projection
    for (let pass = 0; pass < 2; pass++) {
      for (const earlier of columns.slice(0, index)) subtract(column, earlier, dot(column, earlier));
    }
    const norm = Math.sqrt(dot(column, column));
    for (let i = 0; i < inDim; i++) column[i] = column[i]! / norm;
  });
  const a = new Float32Array(inDim * rank);
  columns.forEach((column, c) => column.forEach((value, row) => (a[row * rank + c] = value)));
  return a;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

function subtract(x: Float64Array, y: Float64Array, factor: number): void {
  for (let i = 0; i < x.length; i++) x[i] = x[i]! - factor * y[i]!;
}
