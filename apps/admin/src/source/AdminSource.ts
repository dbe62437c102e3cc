import type { AdminAction, RunDetail } from '@chorale/protocol';

/** A run as last heard, with the time of hearing so that countdowns and ages can go on by themselves. */
export type KnownRun = { detail: RunDetail; receivedAt: number };

export type Session =
  | { status: 'checking' }
  | { status: 'signed-out' }
  | { status: 'signed-in' }
  /** The server does not answer; it is asked again by itself. */
  | { status: 'unreachable'; message: string };

export type Connection =
  | { status: 'connecting' }
  | { status: 'live' }
  /** `since`: when the data on the page stopped being current, ms since 1970. */
  | { status: 'lost'; since: number };

export type AdminState = {
  session: Session;
  connection: Connection;
  /** Newest first; null until the first answer. */
  runs: readonly KnownRun[] | null;
  /** What went wrong with the last message, if anything. */
  problem: string | null;
};

/** Where the page gets its data from and sends its commands to. */
export type AdminSource = {
  getState(): AdminState;
  subscribe(onChange: () => void): () => void;
  /** @throws {Error} with the server's words when it refuses */
  act(runId: string, action: AdminAction): Promise<void>;
};
