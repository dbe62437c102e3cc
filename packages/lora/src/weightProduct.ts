/**
 * The product of a weight or its transpose with a block of columns, in float64: result[r] = Σ over k of w(r, k) x[k], where
 * w(r, k) stands at r·rowStride + k·innerStride. Sums start at 0 and go over rising k, one product after the other: every
 * engine gets the same bits.
 * @param x [inner, width], row-major
 * @returns [rows, width], row-major
 */
export function weightProduct(
  weight: Float32Array,
  x: Float64Array,
  shape: { rows: number; inner: number; rowStride: number; innerStride: number; width: number },
): Float64Array {
  const { rows, inner, rowStride, innerStride, width } = shape;
  const result = new Float64Array(rows * width);
  const w = (r: number, k: number) => weight[r * rowStride + k * innerStride]!;
  for (let r = 0; r < rows; r++) {
    let k = 0;
    // Four at a time: twice as fast, for most of the time goes into loading and storing the sums
    for (; k + 4 <= inner; k += 4) {
      addFour(result, r * width, x, k * width, w(r, k), w(r, k + 1), w(r, k + 2), w(r, k + 3), width);
    }
    for (; k < inner; k++) {
      for (let c = 0; c < width; c++) result[r * width + c]! += w(r, k) * x[k * width + c]!;
    }
  }
  return result;
}

/** Adds four rows of x, from offset `at` on, to a row of sums, in this order. */
function addFour(
  sums: Float64Array,
  sumsAt: number,
  x: Float64Array,
  at: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  width: number,
): void {
  for (let c = 0; c < width; c++) {
    let sum = sums[sumsAt + c]!;
    sum += w0 * x[at + c]!;
    sum += w1 * x[at + width + c]!;
    sum += w2 * x[at + 2 * width + c]!;
    sum += w3 * x[at + 3 * width + c]!;
    sums[sumsAt + c] = sum;
  }
}
