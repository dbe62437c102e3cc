import type { BasisStream } from './basisStream.ts';
import { bellColumn, makeOrthonormal } from './orthonormalColumns.ts';
import { symmetricEigen } from './symmetricEigen.ts';
import { weightProduct } from './weightProduct.ts';

/**
 * Products with W Wᵀ. Each shrinks what lies outside of the block's leading singular directions; after 24 the weights of
 * the embedded tiny encoder have less than 1e-6 of their first eight directions' energy left to find.
 */
const ITERATIONS = 24;

/**
 * The directions of the input that a frozen weight amplifies most: its first `rank` singular vectors on the input's side,
 * by falling singular value, which is where PiSSA starts (Meng et al. 2024, arXiv 2404.02948). Block power iteration on
 * W Wᵀ with a block wider than the rank, then Rayleigh-Ritz (Halko, Martinsson, Tropp 2011, arXiv 0909.4061, algorithms
 * 4.4 and 5.3), step by step as `docs/basis.md` says, in float64: every engine gets the same bits. Of each vector the
 * element with the largest absolute value, the first of several, is positive.
 * @param weight [inDim, outDim], row-major, finite: y = x W
 * @param rank at most inDim
 * @returns [inDim, rank], row-major; the columns are orthonormal, whatever the weight
 * @throws {RangeError} the weight has a number that is not finite
 */
export function svdBasis(
  weight: Float32Array,
  { inDim, outDim, rank }: { inDim: number; outDim: number; rank: number },
  stream: BasisStream,
): Float32Array {
  // Else no column would ever be long enough, and the search for a fresh one would not end
  if (!weight.every(Number.isFinite)) throw new RangeError('expected a weight of finite numbers');
  const width = Math.min(inDim, 2 * rank + 8);
  /** Wᵀ times columns [inDim] → [outDim, width]. */
  const onOutput = (columns: Float64Array[]) => {
    const shape = { rows: outDim, inner: inDim, rowStride: 1, innerStride: outDim, width };
    return weightProduct(weight, rowsOf(columns), shape);
  };
  /** W times [outDim, width] → [inDim, width]. */
  const onInput = (p: Float64Array) =>
    weightProduct(weight, p, { rows: inDim, inner: outDim, rowStride: outDim, innerStride: 1, width });

  const columns = Array.from({ length: width }, () => bellColumn(stream, inDim));
  makeOrthonormal(columns, stream);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const product = onInput(onOutput(columns));
    columns.forEach((column, c) => column.forEach((_, i) => (column[i] = product[i * width + c]!)));
    makeOrthonormal(columns, stream);
  }

  // Rayleigh-Ritz: the singular vectors of W within the span of the columns
  const gram = gramMatrix(onOutput(columns), width);
  const vectors = symmetricEigen(gram, width);
  const order = Array.from({ length: width }, (_, c) => c).sort(
    (x, y) => gram[y * width + y]! - gram[x * width + x]! || x - y,
  );
  const a = new Float32Array(inDim * rank);
  for (let c = 0; c < rank; c++) {
    const direction = new Float64Array(inDim);
    columns.forEach((column, k) => {
      const share = vectors[k * width + order[c]!]!;
      column.forEach((value, i) => (direction[i]! += value * share));
    });
    const sign = signOfLargest(direction);
    direction.forEach((value, i) => (a[i * rank + c] = sign * value));
  }
  return a;
}

/** Columns side by side as a row-major matrix [length, columns]. */
function rowsOf(columns: Float64Array[]): Float64Array {
  const rows = new Float64Array(columns.length * columns[0]!.length);
  columns.forEach((column, c) => column.forEach((value, i) => (rows[i * columns.length + c] = value)));
  return rows;
}

/** pᵀ p of p [outDim, width] → [width, width]; sums over rising rows. */
function gramMatrix(p: Float64Array, width: number): Float64Array {
  const gram = new Float64Array(width * width);
  for (let at = 0; at < p.length; at += width) {
    for (let r = 0; r < width; r++) {
      for (let c = 0; c < width; c++) gram[r * width + c]! += p[at + r]! * p[at + c]!;
    }
  }
  return gram;
}

function signOfLargest(values: Float64Array): 1 | -1 {
  let largest = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(largest)) largest = value;
  return largest < 0 ? -1 : 1;
}
