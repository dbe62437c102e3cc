/** Cyclic Jacobi converges quadratically; matrices of a few dozen rows need six or seven sweeps. */
const SWEEPS = 12;

/**
 * Eigenvectors of a small symmetric matrix by a fixed number of cyclic Jacobi sweeps (Golub and Van Loan, section 8.5),
 * with nothing but IEEE additions, multiplications, divisions and square roots: the same bits in every engine.
 * @param matrix [size, size], row-major; overwritten, afterwards its diagonal holds the eigenvalues
 * @returns eigenvectors as the columns of [size, size], row-major, in the order of the diagonal
 */
export function symmetricEigen(matrix: Float64Array, size: number): Float64Array {
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) rotate(matrix, vectors, size, p, q);
    }
  }
  return vectors;
}

/** One Jacobi rotation, which makes the elements (p, q) and (q, p) zero. */
function rotate(matrix: Float64Array, vectors: Float64Array, size: number, p: number, q: number): void {
  const off = matrix[p * size + q]!;
  if (off === 0) return;
  const theta = (matrix[q * size + q]! - matrix[p * size + p]!) / (2 * off);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < size; k++) turn(matrix, k * size + p, k * size + q, c, s); // columns p and q
  for (let k = 0; k < size; k++) turn(matrix, p * size + k, q * size + k, c, s); // rows p and q
  matrix[p * size + q] = 0;
  matrix[q * size + p] = 0;
  for (let k = 0; k < size; k++) turn(vectors, k * size + p, k * size + q, c, s);
}

/** The elements i and j become c·xᵢ − s·xⱼ and s·xᵢ + c·xⱼ. */
function turn(values: Float64Array, i: number, j: number, c: number, s: number): void {
  const [x, y] = [values[i]!, values[j]!];
  values[i] = c * x - s * y;
  values[j] = s * x + c * y;
}
