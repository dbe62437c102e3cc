import type { AdapterLayout, TrainedRange } from './adapterLayout.ts';
import type { Basis } from './basis.ts';

type Values = Float32Array | Float64Array;

/** `a` [inDim, rank] times `b` [rank, outDim], row-major both. */
type Product = { a: Values; b: Values };

/**
 * How far averaging the parameters is from averaging what they do: ‖mean(AB) − mean(A) mean(B)‖ over
 * ‖mean(AB) − AB before the round‖, Frobenius norms over all adapted modules. With one factor fixed, as in `ffa-lora` and in
 * each round of `rolora`, it is 0; with both trained it is the first discordance of Sun et al. 2024 (arXiv 2403.12313,
 * equation 4).
 *
 * Computed in float64 from what the clients sent, u_k for A and v_k for B (0 where a factor was not trained), with ū and v̄
 * their means:
 *   mean(AB) − mean(A) mean(B) = mean((u_k − ū)(v_k − v̄)),  AB's change = A v̄ + ū (B + v̄) + the same
 * which are equal to the differences above, but subtract nothing that is nearly the same: a small error is not lost in the
 * rounding of large products. A row of a product is made, measured and forgotten. (Traces of r × r Gram matrices would make
 * none, but squares that cancel leave an error of 1e-8, and for many clients they are more work.)
 * @param before  the parameters the round started from, [parameterCount]
 * @param updates what each client sent, [end - start] of `range` each; at least one
 * @param basis   A where the strategy does not train it
 * @returns 0 or more; 0 for a round that changed no adapter
 * @throws {RangeError} no updates, or one of another length
 */
export function aggregationError(
  layout: AdapterLayout,
  before: Values,
  updates: readonly Float32Array[],
  range: TrainedRange,
  basis: Basis,
): number {
  requireLengths(updates, range);
  const { rank } = layout;
  const mean = meanOf(updates);
  const deviations = updates.map((update) => Float64Array.from(update, (value, i) => value - mean[i]!));
  let error = 0;
  let change = 0;
  layout.modules.forEach(({ inDim, outDim, offset, aOffset }, i) => {
    /** What a change of the range does to a factor; null: it does not belong to the range. */
    const inRange = (values: Float64Array, start: number | null, size: number): Float64Array | null =>
      start === null || start < range.start || start >= range.end
        ? null
        : values.subarray(start - range.start, start - range.start + size);
    const ofA = (values: Float64Array) => inRange(values, aOffset, inDim * rank);
    const ofB = (values: Float64Array) => inRange(values, offset, rank * outDim);

    const discordance = deviations.flatMap((deviation): Product[] => {
      const [a, b] = [ofA(deviation), ofB(deviation)];
      return a === null || b === null ? [] : [{ a, b: b.map((value) => value / updates.length) }];
    });
    const b = before.subarray(offset, offset + rank * outDim);
    const a = aOffset === null ? basis[i]! : before.subarray(aOffset, aOffset + inDim * rank);
    const [meanA, meanB] = [ofA(mean), ofB(mean)];
    const changes = [...discordance];
    if (meanB !== null) changes.push({ a, b: meanB });
    if (meanA !== null) {
      changes.push({ a: meanA, b: Float64Array.from(b, (value, j) => value + (meanB?.[j] ?? 0)) });
    }
    const sizes = { inDim, rank, outDim };
    error += squaredNormOfSum(discordance, sizes);
    change += squaredNormOfSum(changes, sizes);
  });
  return change === 0 ? 0 : Math.sqrt(error / change);
}

/** The squared Frobenius norm of a sum of products. */
function squaredNormOfSum(
  products: readonly Product[],
  { inDim, rank, outDim }: { inDim: number; rank: number; outDim: number },
): number {
  if (products.length === 0) return 0;
  const row = new Float64Array(outDim);
  let sum = 0;
  for (let i = 0; i < inDim; i++) {
    row.fill(0);
    for (const { a, b } of products) {
      for (let r = 0; r < rank; r++) {
        const factor = a[i * rank + r]!;
        for (let o = 0; o < outDim; o++) row[o]! += factor * b[r * outDim + o]!;
      }
    }
    for (const value of row) sum += value * value;
  }
  return sum;
}

function requireLengths(updates: readonly Float32Array[], { start, end }: TrainedRange): void {
  if (updates.length === 0) throw new RangeError('expected at least one update, got none');
  const wrong = updates.find((update) => update.length !== end - start);
  if (wrong !== undefined) {
    throw new RangeError(`expected an update of ${end - start} values, got ${wrong.length}`);
  }
}

function meanOf(updates: readonly Float32Array[]): Float64Array {
  const mean = new Float64Array(updates[0]!.length);
  for (const update of updates) update.forEach((value, i) => (mean[i]! += value / updates.length));
  return mean;
}
