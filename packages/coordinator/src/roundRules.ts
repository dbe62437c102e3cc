import type { RunConfig } from '@chorale/protocol';

/** The constants of one run that the round engine works with. Times in milliseconds. */
export type RoundRules = {
  roundCount: number;
  /** Members of a full cohort. */
  cohortSize: number;
  /** Fewest updates that may be aggregated; at most cohortSize. */
  minimumUpdates: number;
  /** Time a round has to collect its updates, and time recruiting waits for a full cohort; > 0. */
  deadlineMs: number;
  /** How long a member may be disconnected or paused before the round no longer waits for it. */
  reconnectGraceMs: number;
  /** The same after a restart of the server, when everybody has to come back at once. */
  restartGraceMs: number;
  /** Wait before the second attempt at a round; doubles with every further one. */
  backoffMs: number;
  backoffLimitMs: number;
};

/** What a run config does not say about time. */
export type RoundTiming = Pick<
  RoundRules,
  'reconnectGraceMs' | 'restartGraceMs' | 'backoffMs' | 'backoffLimitMs'
>;

export const DEFAULT_ROUND_TIMING: RoundTiming = {
  reconnectGraceMs: 10_000,
  restartGraceMs: 30_000,
  backoffMs: 1_000,
  backoffLimitMs: 30_000,
};

/** Takes the round engine's constants out of a run config. */
export function roundRules(config: RunConfig, timing: RoundTiming = DEFAULT_ROUND_TIMING): RoundRules {
  return {
    roundCount: config.rounds.count,
    cohortSize: config.rounds.cohortSize,
    minimumUpdates: config.rounds.minimumUpdates,
    deadlineMs: config.rounds.deadlineSeconds * 1000,
    ...timing,
  };
}

/** Wait before `attempt` (from 2) of a round, in milliseconds. */
export function attemptBackoffMs(rules: RoundRules, attempt: number): number {
  const doublings = Math.min(20, Math.max(0, attempt - 2));
  return Math.min(rules.backoffLimitMs, rules.backoffMs * 2 ** doublings);
}
