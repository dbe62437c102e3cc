import { BufferedUniform } from './random.ts';
import type { RandomSource } from './random.ts';

/**
 * Draws a Poisson sample: every example joins by its own coin, independently of all others and of earlier draws.
 * The sample may be empty and has no size limit; both are part of what the accountant assumes, so the caller must
 * use it whole (micro-batches are fine) and must not skip an empty step. The indices stay in the tab.
 * @param exampleCount number of examples, an integer ≥ 0
 * @param samplingRate inclusion probability, in (0, 1], exact to 2^-53
 * @returns indices of the examples that joined, ascending
 * @throws {RangeError} an argument is out of its range
 */
export function poissonSample(exampleCount: number, samplingRate: number, random: RandomSource): Uint32Array {
  if (!Number.isSafeInteger(exampleCount) || exampleCount < 0 || exampleCount > 2 ** 32) {
    throw new RangeError(`exampleCount must be an integer from 0 to 2^32, got ${exampleCount}`);
  }
  if (!(samplingRate > 0 && samplingRate <= 1)) {
    throw new RangeError(`samplingRate must be in (0, 1], got ${samplingRate}`);
  }
  const uniform = new BufferedUniform(random, Math.max(1, Math.min(exampleCount, 1024)));
  const joined: number[] = [];
  for (let index = 0; index < exampleCount; index++) {
    if (uniform.next() < samplingRate) joined.push(index);
  }
  return Uint32Array.from(joined);
}
