import type { BasisStream } from './basisStream.ts';

/** Under this part of a column's length nothing of it but rounding is left. */
const LOST = 1e-12;

/** A column of nearly normal entries, drawn one after the other. */
export function bellColumn(stream: BasisStream, length: number): Float64Array {
  return Float64Array.from({ length }, () => stream.bell());
}

/**
 * Makes columns orthonormal in place: modified Gram-Schmidt, applied twice, first to last. A column that lies in the span
 * of those before it is replaced by a fresh one of the stream, as often as it takes.
 * @param columns at most as many as they are long
 */
export function makeOrthonormal(columns: Float64Array[], stream: BasisStream): void {
  columns.forEach((column, index) => {
    for (;;) {
      const before = dot(column, column);
      // Twice: one pass leaves rounding errors of the size of the largest projection
      for (let pass = 0; pass < 2; pass++) {
        for (let j = 0; j < index; j++) subtract(column, columns[j]!, dot(column, columns[j]!));
      }
      const left = dot(column, column);
      if (left > LOST * LOST * before) {
        const norm = Math.sqrt(left);
        for (let i = 0; i < column.length; i++) column[i] = column[i]! / norm;
        return;
      }
      column.set(bellColumn(stream, column.length));
    }
  });
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

function subtract(x: Float64Array, y: Float64Array, factor: number): void {
  for (let i = 0; i < x.length; i++) x[i] = x[i]! - factor * y[i]!;
}
