import type { ClientUpdate } from './clientUpdate.ts';

/**
 * The unweighted mean: every contributor counts the same, whatever the size of her data.
 * Sums in float64 in the order of contributor ids (UTF-16 code units), so that the result is a function of the set of
 * updates: bit-identical however they arrived.
 * @param updates at least one, one per contributor, all of the same length
 * @returns shape [P]
 * @throws {RangeError} no update, other lengths, or a contributor twice
 */
export function meanAggregator(updates: readonly ClientUpdate[]): Float64Array {
  const ordered = updates.toSorted((a, b) => (a.contributorId < b.contributorId ? -1 : 1));
  const first = ordered[0];
  if (first === undefined) throw new RangeError('expected at least one update to average, got none');
  const sum = new Float64Array(first.values.length);
  ordered.forEach(({ contributorId, values }, k) => {
    if (values.length !== sum.length) {
      throw new RangeError(`expected ${sum.length} values of ${contributorId}, got ${values.length}`);
    }
    if (k > 0 && ordered[k - 1]!.contributorId === contributorId) {
      throw new RangeError(`expected one update a contributor, got two of ${contributorId}`);
    }
    for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
  });
  for (let i = 0; i < sum.length; i++) sum[i]! /= ordered.length;
  return sum;
}
