import type { Binding, DecodedUpdate, RoundRecord } from '@chorale/protocol';
import { ChoraleError, decodeUpdate } from '@chorale/protocol';

/**
 * Reads an update as it arrived.
 * @param round             the round its message names
 * @param wantsLocalCounts  whether the run asks for them; one that has them unasked, or lacks them, is refused
 * @throws {ChoraleError} UPDATE_MALFORMED, UPDATE_SIZE, UPDATE_NOT_FINITE
 */
export function readUpdate(
  bytes: Uint8Array,
  round: number,
  binding: Binding,
  wantsLocalCounts: boolean,
): DecodedUpdate {
  const decoded = decodeUpdate(bytes, binding);
  if (decoded.round !== round) {
    throw new ChoraleError(
      'UPDATE_MALFORMED',
      `expected bytes of round ${round}, got those of round ${decoded.round}`,
    );
  }
  if ((decoded.localCounts !== null) !== wantsLocalCounts) {
    throw new ChoraleError(
      'UPDATE_MALFORMED',
      `expected an update ${wantsLocalCounts ? 'with' : 'without'} local counts, as the plan says; reload the page to get the current program`,
    );
  }
  return decoded;
}

/**
 * The cohort's noisy counts together. The noises are independent, so their variances add.
 * @param noiseStdDev of each contributor's counts; null when the run asks for none
 */
export function sumLocalCounts(
  updates: readonly Pick<DecodedUpdate, 'localCounts'>[],
  noiseStdDev: number | null,
): RoundRecord['localMetrics'] {
  if (noiseStdDev === null) return null;
  const counts = updates.flatMap(({ localCounts }) => localCounts ?? []);
  return {
    correct: counts.reduce((sum, { correct }) => sum + correct, 0),
    rows: counts.reduce((sum, { rows }) => sum + rows, 0),
    noiseStdDev: noiseStdDev * Math.sqrt(counts.length),
  };
}
