import type { ClosedRound } from '@chorale/coordinator';
import { aggregateRound } from '@chorale/coordinator';
import type { Binding, DecodedUpdate, RoundRecord, RunPlan } from '@chorale/protocol';
import { ChoraleError, decodeUpdate, trainedRangeOf, updateBytes } from '@chorale/protocol';
import type { StoredUpdate } from '@chorale/store';

export type RoundToAggregate = {
  closed: ClosedRound;
  /** The updates of the round, as they arrived. */
  stored: readonly StoredUpdate[];
  /** The global adapter they started from, shape [parameterCount], and its version. */
  parameters: Float64Array;
  adapterVersion: number;
  plan: RunPlan;
  binding: Binding;
  /** Noise in each of the two local counts of a contributor; null when the run asks for none. */
  localCountsNoiseStdDev: number | null;
  /** Epsilon of the contributor who was charged most when the round closed; null when privacy.unit is none. */
  spentEpsilon: number | null;
  nowMs: number;
};

/**
 * The next global adapter, shape [parameterCount], and the record of the round that made it.
 * @throws {ChoraleError} an UPDATE_ code, or INTERNAL when other updates are stored than the round counted
 */
export function aggregateClosedRound(round: RoundToAggregate): {
  parameters: Float64Array;
  record: RoundRecord;
} {
  const { closed, stored, plan, binding } = round;
  const updates = stored.map(({ contributorId, bytes }) => ({
    contributorId,
    ...decodeUpdate(bytes, binding),
  }));
  if (updates.length !== closed.received.length) {
    throw new ChoraleError(
      'INTERNAL',
      `expected ${closed.received.length} stored updates of round ${closed.round}, found ${updates.length}`,
    );
  }
  const record: RoundRecord = {
    round: closed.round,
    attempt: closed.attempt,
    cohort: closed.cohort.length,
    received: closed.received.length,
    adapterVersion: round.adapterVersion + 1,
    testAccuracy: null,
    testLoss: null,
    spentEpsilon: round.spentEpsilon,
    localMetrics: sumLocalCounts(updates, round.localCountsNoiseStdDev),
    uplinkBytes: updateBytes(plan, closed.round),
    durationMs: Math.max(0, round.nowMs - closed.startedAtMs),
  };
  const { aggregation } = plan.config;
  const range = trainedRangeOf(plan, closed.round);
  return { parameters: aggregateRound(round.parameters, updates, { aggregation, range }), record };
}

/**
 * The cohort's noisy counts together. The noises are independent, so their variances add.
 * @param noiseStdDev of each contributor's counts; null when the run asks for none
 */
function sumLocalCounts(
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
