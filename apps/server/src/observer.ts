import type { ErrorCode } from '@chorale/protocol';

/** What became of an update that arrived. */
export type UpdateOutcome = 'accepted' | 'duplicate' | ErrorCode;

/**
 * Told what happens, for the metrics. Runs, sockets and routes call it; `openMetrics` implements it. Nothing of it may
 * fail or wait.
 */
export type Observer = {
  /** @param seconds from its arrival to its acknowledgement */
  updateAnswered(runId: string, outcome: UpdateOutcome, payloadBytes: number, seconds: number): void;
  /** @param seconds from the round's first start */
  roundClosed(runId: string, outcome: 'aggregated' | 'abandoned' | 'failed', seconds: number): void;
  /** How long it took to turn the sum of the updates into the next adapter and store it. */
  aggregated(runId: string, seconds: number): void;
  evaluated(runId: string, outcome: 'measured' | 'failed', seconds: number): void;
  /** Updates of a run that have arrived and wait for their transaction. */
  updateQueue(runId: string, length: number): void;
  /** Offers of updates that wait for their turn. */
  offerQueue(length: number): void;
  storeFailed(code: ErrorCode): void;
  /** A socket, a message or a request was refused by a limit or a check. */
  refused(what: 'connection' | 'message' | 'request', code: ErrorCode): void;
};

/** For places where nobody looks. */
export const noObserver: Observer = {
  updateAnswered: () => undefined,
  roundClosed: () => undefined,
  aggregated: () => undefined,
  evaluated: () => undefined,
  updateQueue: () => undefined,
  offerQueue: () => undefined,
  storeFailed: () => undefined,
  refused: () => undefined,
};
