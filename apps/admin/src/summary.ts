import { ENDED_STATUSES } from '@chorale/protocol';
import type { RoundRecord, RunDetail, RunState } from '@chorale/protocol';

/** The last measured test accuracy, or null. */
export function lastAccuracy(detail: RunDetail): number | null {
  return detail.rounds.findLast((record) => record.testAccuracy !== null)?.testAccuracy ?? null;
}

/**
 * Share of contributors' own rows that the adapter a round began with gets right, from its two noisy counts.
 * @returns the share, brought into [0, 1], and two standard deviations of its noise (error propagation of correct / rows);
 *   null without counts, or when the noise is so strong that the margin covers the whole of [0, 1]
 */
export function localAccuracy({ localMetrics }: RoundRecord): { share: number; margin: number } | null {
  if (localMetrics === null || localMetrics.rows <= 0) return null;
  const { correct, rows, noiseStdDev } = localMetrics;
  const share = Math.min(1, Math.max(0, correct / rows));
  const margin = (2 * noiseStdDev * Math.hypot(1, share)) / rows;
  return margin < 0.5 ? { share, margin } : null;
}

/** Epsilon of the contributor who spent most, or null when the run has no privacy. */
export function worstEpsilon(detail: RunDetail): number | null {
  if (detail.run.plan.config.privacy.unit === 'none') return null;
  const spent = [...detail.contributors, ...detail.rounds].map((entry) => entry.spentEpsilon ?? 0);
  return Math.max(0, ...spent);
}

export function hasEnded(state: RunState): boolean {
  return ENDED_STATUSES.includes(state.status);
}

/** Milliseconds until the present phase times out, counted on from when it was heard; null when nothing is pending. */
export function timeLeftMs(state: RunState, receivedAt: number, now: number): number | null {
  return state.timeLeftMs === null ? null : Math.max(0, state.timeLeftMs - (now - receivedAt));
}

/**
 * How full the present phase is, in [0, 1]: by arrivals or by time, whichever is further.
 * @param leftMs as `timeLeftMs` gives it
 * @returns null for phases that have no measure
 */
export function phaseFraction(state: RunState, leftMs: number | null, deadlineMs: number): number | null {
  if (state.status === 'recruiting') return Math.min(1, state.available / state.cohortSize);
  if (state.status !== 'training') return null;
  const byArrivals = state.cohort === 0 ? 0 : state.received / state.cohort;
  const byTime = leftMs === null ? 0 : 1 - leftMs / deadlineMs;
  return Math.min(1, Math.max(0, byArrivals, byTime));
}

/** The token in what somebody pasted: the whole link the server printed, or the token alone. */
export function tokenFrom(pasted: string): string {
  const trimmed = pasted.trim();
  const inLink = /[?&]token=([^&#\s]+)/.exec(trimmed)?.[1];
  return inLink === undefined ? trimmed : decodeURIComponent(inLink);
}
