import type { AdminAction, AuditEntry, CreatedInvite, Invite, NewInvite, RunDetail } from '@chorale/protocol';

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

/** Where the page gets its data from and sends its commands to. All of them throw an Error with the server's words. */
export type AdminSource = {
  getState(): AdminState;
  subscribe(onChange: () => void): () => void;
  act(runId: string, action: AdminAction): Promise<void>;
  /** Oldest first. */
  invites(runId: string): Promise<Invite[]>;
  createInvite(runId: string, invite: NewInvite): Promise<CreatedInvite>;
  withdrawInvite(runId: string, inviteId: string): Promise<void>;
  /** Newest first. @param before only entries of a lower sequence; null from the newest */
  audit(before: number | null, limit: number): Promise<AuditEntry[]>;
  /** Ends the token that admins sign in with, and all sessions but this one. @returns the new token */
  rotateToken(): Promise<string>;
  signOut(): Promise<void>;
};
