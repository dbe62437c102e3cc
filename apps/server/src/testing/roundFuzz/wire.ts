import type { Identity, Result, RoundEndMessage, RoundStartMessage } from '@chorale/protocol';
import type { SocketEnd } from '@chorale/testing/socketPair';

/* What socket.io carries, as plain messages: events with a number to answer to, and pushes. */

export type ToServer = {
  id: number;
  event: 'join' | 'availability' | 'update' | 'leave';
  message: unknown;
  payload?: Uint8Array;
};

export type ToClient =
  | { event: 'answer'; id: number; result: Result<unknown> }
  | { event: 'round:start'; message: RoundStartMessage; payload: Uint8Array }
  | { event: 'round:end'; message: RoundEndMessage };

export type ServerEnd = SocketEnd<ToClient, ToServer>;
export type ClientEnd = SocketEnd<ToServer, ToClient>;

/** What a socket says as it opens. */
export type Opening = { end: ServerEnd; identity: Identity | null };
