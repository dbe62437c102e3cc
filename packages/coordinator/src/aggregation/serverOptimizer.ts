import { ChoraleError } from '@chorale/protocol';

/**
 * Server SGD: `parameters + learningRate * meanUpdate` (FedAvg's server step when the rate is 1; Reddi et al. 2021,
 * arXiv 2003.00295, algorithm 1). An update is a change, so it is added.
 * @param parameters those that the round trains, shape [P]
 * @param meanUpdate shape [P]
 * @param learningRate > 0
 * @returns a new array of the same shape, every value finite in float32 (in which it is sent)
 * @throws {RangeError} other lengths
 * @throws {ChoraleError} UPDATE_NOT_FINITE when a value leaves the range of float32
 */
export function applyServerSgd(
  parameters: Float64Array,
  meanUpdate: Float64Array,
  learningRate: number,
): Float64Array {
  if (parameters.length !== meanUpdate.length) {
    throw new RangeError(`expected ${parameters.length} values of the mean update, got ${meanUpdate.length}`);
  }
  return parameters.map((value, i) => {
    const next = value + learningRate * meanUpdate[i]!;
    if (!Number.isFinite(Math.fround(next))) {
      throw new ChoraleError(
        'UPDATE_NOT_FINITE',
        `expected the new adapter to fit float32, parameter ${i} would be ${next}; use a smaller server learning rate`,
      );
    }
    return next;
  });
}
