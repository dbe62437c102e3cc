/** Everything that can happen to a run. */
export type RoundEvent =
  /** A contributor joined, or came back on a new connection; `available: false`: to read, or paused. */
  | { type: 'join'; contributorId: string; available?: boolean }
  | { type: 'availability'; contributorId: string; available: boolean }
  | { type: 'disconnect'; contributorId: string }
  /** A contributor withdrew for good. */
  | { type: 'leave'; contributorId: string }
  /** An update that `checkUpdate` let pass is being stored. */
  | { type: 'update-stored'; contributorId: string }
  /** Time passed; due at `nextTimeoutMs`. */
  | { type: 'tick' }
  /** The closed round's aggregate is being stored as the next adapter version. */
  | { type: 'aggregated' }
  | { type: 'aggregation-failed'; message: string }
  /** The new adapter was measured, or could not be: then `warning` says why. */
  | { type: 'evaluated'; warning: string | null }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'stop' };

/** What the server has to do after a step, as data. All of them are safe to do twice. */
export type RoundEffect =
  /** Send the global adapter of `adapterVersion` to these contributors. */
  | {
      type: 'start-round';
      round: number;
      attempt: number;
      adapterVersion: number;
      deadlineMs: number;
      contributorIds: readonly string[];
    }
  /** Tell these contributors that the round no longer waits for them. */
  | {
      type: 'end-round';
      round: number;
      outcome: 'aggregated' | 'abandoned';
      received: number;
      adapterVersion: number;
      contributorIds: readonly string[];
    }
  /** Aggregate the stored updates of the closed round, then report `aggregated` or `aggregation-failed`. */
  | { type: 'aggregate' }
  /** Measure this adapter, then report `evaluated`. */
  | { type: 'evaluate'; round: number; adapterVersion: number };
