import type { RunStatus } from '@chorale/protocol';

/** What can make a transition happen. */
export type Cause =
  /** What contributors do, or that as many as needed are there. */
  | 'contributors'
  /** The server's own report about work that it did or could not do. */
  | 'server'
  | 'time'
  | 'admin';

export type TransitionRow = {
  name: string;
  from: readonly RunStatus[];
  /** null: the status stays. */
  to: RunStatus | null;
  causes: readonly Cause[];
  when: string;
};

/**
 * Every transition of a run. One step of the engine makes none or several of them, one after the other; whatever else a
 * step does (somebody joins, an update is counted) is none. docs/protocol.md shows this table; a test compares them.
 */
export const TRANSITIONS = [
  {
    name: 'round-started',
    from: ['recruiting'],
    to: 'training',
    causes: ['contributors', 'time'],
    when: 'the full cohort is there; or its wait is over and enough are; a retry first waits its backoff',
  },
  {
    name: 'round-closed',
    from: ['training', 'paused'],
    to: 'aggregating',
    causes: ['contributors', 'time'],
    when: 'cohortSize updates are stored; or nobody is awaited any more, or the deadline passed, with at least minimumUpdates',
  },
  {
    name: 'round-abandoned',
    from: ['training'],
    to: 'recruiting',
    causes: ['contributors', 'time'],
    when: 'nobody is awaited any more, or the deadline passed, with fewer than minimumUpdates; stored updates are kept for the next attempt',
  },
  {
    name: 'round-parked',
    from: ['paused'],
    to: null,
    causes: ['contributors', 'time'],
    when: 'the round that was open when the admin paused ends with fewer than minimumUpdates; stored updates are kept',
  },
  {
    name: 'aggregated',
    from: ['aggregating'],
    to: 'evaluating',
    causes: ['server'],
    when: 'the next adapter version is stored',
  },
  {
    name: 'aggregation-failed',
    from: ['aggregating'],
    to: 'failed',
    causes: ['server'],
    when: 'the updates cannot be made into an adapter',
  },
  {
    name: 'evaluation-given-up',
    from: ['evaluating'],
    to: null,
    causes: ['time'],
    when: 'the time limit of the evaluation passed; the run goes on in the same step, with a warning',
  },
  {
    name: 'round-finished',
    from: ['evaluating'],
    to: 'recruiting',
    causes: ['server', 'time'],
    when: 'the new adapter was measured, could not be, or took too long; a further round follows',
  },
  {
    name: 'run-completed',
    from: ['evaluating'],
    to: 'completed',
    causes: ['server', 'time'],
    when: 'the same after the last round',
  },
  {
    name: 'run-paused',
    from: ['recruiting', 'training'],
    to: 'paused',
    causes: ['admin'],
    when: 'the admin pauses, now or earlier in the round that has just finished; an open round may still be delivered to',
  },
  {
    name: 'pause-asked',
    from: ['aggregating', 'evaluating'],
    to: null,
    causes: ['admin'],
    when: 'the admin pauses: the round is finished first',
  },
  {
    name: 'pause-withdrawn',
    from: ['aggregating', 'evaluating'],
    to: null,
    causes: ['admin'],
    when: 'the admin resumes before that',
  },
  {
    name: 'round-resumed',
    from: ['paused'],
    to: 'training',
    causes: ['admin'],
    when: 'the admin resumes while the round is still open',
  },
  {
    name: 'recruiting-resumed',
    from: ['paused'],
    to: 'recruiting',
    causes: ['admin'],
    when: 'the admin resumes between rounds',
  },
  {
    name: 'stop-asked',
    from: ['aggregating'],
    to: null,
    causes: ['admin'],
    when: 'the admin stops: the aggregation is finished first',
  },
  {
    name: 'run-stopped',
    from: ['recruiting', 'training', 'paused', 'aggregating', 'evaluating'],
    to: 'stopped',
    causes: ['admin'],
    when: 'the admin stops; while aggregating only if she asks again after a minute in which it did not end',
  },
] as const satisfies readonly TransitionRow[];

export type TransitionName = (typeof TRANSITIONS)[number]['name'];
