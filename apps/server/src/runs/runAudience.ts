import type { RoundEndMessage, RoundRecord, RoundStartMessage } from '@chorale/protocol';

/** Those who are told what happens in a run. Implemented by the socket namespaces. */
export type RunAudience = {
  startRound(contributorIds: readonly string[], message: RoundStartMessage, adapter: Uint8Array): void;
  endRound(contributorIds: readonly string[], message: RoundEndMessage): void;
  /** A record was measured; to everybody in the run. */
  roundRecord(runId: string, record: RoundRecord): void;
  /** Something that pages show has changed. */
  changed(runId: string): void;
  /** The contributor has joined on another connection; this one is no longer hers. */
  dropConnection(connectionId: string): void;
};
