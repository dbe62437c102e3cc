import type { AdapterLayout, TrainedRange } from './adapterLayout.ts';
import type { Basis } from './basis.ts';

/**
 * How far averaging the parameters is from averaging what they do: ‖mean(AB) − mean(A) mean(B)‖ over
 * ‖mean(AB) − AB before the round‖, Frobenius norms over all adapted modules. With one factor fixed, as in `ffa-lora` and in
 * each round of `rolora`, it is 0 up to rounding; with both trained it is the first discordance of Sun et al. 2024 (arXiv
 * 2403.12313, equation 4). Computed in float64 and without storing anything as float32 in between: near convergence the
 * rounding of stored parameters would be larger than a small change's error.
 * @param before  the parameters the round started from, [parameterCount]
 * @param updates what each client sent, [end - start] of `range` each; at least one
 * @param basis   A where the strategy does not train it
 * @returns 0 or more; 0 for a round that changed no adapter
 * @throws {RangeError} no updates, or one of another length
 */
export function aggregationError(
  layout: AdapterLayout,
  before: Float32Array | Float64Array,
  updates: readonly Float32Array[],
  range: TrainedRange,
  basis: Basis,
): number {
  const { rank } = layout;
  if (updates.length === 0) throw new RangeError('expected at least one update, got none');
  const clients = updates.map((update) => applied(before, update, range));
  const mean = applied(before, meanOf(updates), range);
  let error = 0;
  let change = 0;
  layout.modules.forEach(({ inDim, outDim, offset, aOffset }, i) => {
    /** AB of one set of parameters, times a weight, added to [inDim, outDim]. */
    const addProduct = (to: Float64Array, parameters: Float32Array | Float64Array, weight: number) => {
      const a = aOffset === null ? basis[i]! : parameters.subarray(aOffset, aOffset + inDim * rank);
      const b = parameters.subarray(offset, offset + rank * outDim);
      for (let row = 0; row < inDim; row++) {
        for (let r = 0; r < rank; r++) {
          const factor = weight * a[row * rank + r]!;
          for (let o = 0; o < outDim; o++) to[row * outDim + o]! += factor * b[r * outDim + o]!;
        }
      }
    };
    const meanProduct = new Float64Array(inDim * outDim);
    for (const client of clients) addProduct(meanProduct, client, 1 / clients.length);
    const wrong = meanProduct.slice();
    addProduct(wrong, mean, -1);
    error += squaredNorm(wrong);
    addProduct(meanProduct, before, -1);
    change += squaredNorm(meanProduct);
  });
  return change === 0 ? 0 : Math.sqrt(error / change);
}

/** The parameters after a change of one range. */
function applied(
  before: Float32Array | Float64Array,
  change: Float32Array | Float64Array,
  { start, end }: TrainedRange,
): Float64Array {
  if (change.length !== end - start) {
    throw new RangeError(`expected an update of ${end - start} values, got ${change.length}`);
  }
  const after = Float64Array.from(before);
  for (let i = 0; i < change.length; i++) after[start + i]! += change[i]!;
  return after;
}

function meanOf(updates: readonly Float32Array[]): Float64Array {
  const mean = new Float64Array(updates[0]!.length);
  for (const update of updates) update.forEach((value, i) => (mean[i]! += value / updates.length));
  return mean;
}

function squaredNorm(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}
