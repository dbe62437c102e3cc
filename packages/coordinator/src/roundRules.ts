import type { RunConfig } from '@chorale/protocol';

/** The constants of one run that the round engine works with. Times in milliseconds. */
export type RoundRules = {
  roundCount: number;
  /** Updates that close a round; members of a cohort without over-selection. */
  cohortSize: number;
  /** Members a round asks when they are there: cohortSize and, with over-selection, more. */
  askedSize: number;
  /** Fewest updates that may be aggregated; at most cohortSize. */
  minimumUpdates: number;
  /** Time a round has to collect its updates, and time recruiting waits for a full cohort; > 0. */
  deadlineMs: number;
  /** How long a round that could start with cohortSize members waits for the rest of askedSize. */
  extraWaitMs: number;
  /** How long a member may be disconnected or paused before the round no longer waits for it. */
  reconnectGraceMs: number;
  /** The same after a restart of the server, when everybody has to come back at once. */
  restartGraceMs: number;
  /** Wait before the second attempt at a round; doubles with every further one. */
  backoffMs: number;
  backoffLimitMs: number;
  /** After this long a measurement is no longer waited for. */
  evaluationLimitMs: number;
  /** After this long in one aggregation the admin can stop the run without it. */
  aggregationPatienceMs: number;
};

/** What a run config does not say about time. */
export type RoundTiming = Pick<
  RoundRules,
  | 'extraWaitMs'
  | 'reconnectGraceMs'
  | 'restartGraceMs'
  | 'backoffMs'
  | 'backoffLimitMs'
  | 'evaluationLimitMs'
  | 'aggregationPatienceMs'
>;

export const DEFAULT_ROUND_TIMING: RoundTiming = {
  extraWaitMs: 5_000,
  reconnectGraceMs: 10_000,
  restartGraceMs: 30_000,
  backoffMs: 1_000,
  backoffLimitMs: 30_000,
  evaluationLimitMs: 600_000,
  aggregationPatienceMs: 60_000,
};

/** Takes the round engine's constants out of a run config. */
export function roundRules(config: RunConfig, timing: RoundTiming = DEFAULT_ROUND_TIMING): RoundRules {
  const { count, cohortSize, minimumUpdates, deadlineSeconds, overSelection } = config.rounds;
  return {
    roundCount: count,
    cohortSize,
    askedSize: Math.ceil(cohortSize * (1 + overSelection)),
    minimumUpdates,
    deadlineMs: deadlineSeconds * 1000,
    ...timing,
  };
}

/** Wait before `attempt` (from 2) of a round, in milliseconds. */
export function attemptBackoffMs(rules: RoundRules, attempt: number): number {
  const doublings = Math.min(20, Math.max(0, attempt - 2));
  return Math.min(rules.backoffLimitMs, rules.backoffMs * 2 ** doublings);
}

/**
 * When a grace that begins now ends. Ends fall on a grid of 1/40 of the grace, so that thousands who were cut off
 * together end in a few steps instead of in thousands.
 */
export function graceEndMs(nowMs: number, graceMs: number): number {
  const grid = Math.max(1, Math.round(graceMs / 40));
  return Math.ceil((nowMs + graceMs) / grid) * grid;
}
