import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import type {
  Availability,
  ContributorToServer,
  JoinMessage,
  JoinedMessage,
  PublicRun,
  RoundEndMessage,
  RoundRecord,
  RoundStartMessage,
  RunState,
  ServerToContributor,
  UpdateReceipt,
} from '@chorale/protocol';
import {
  CONTRIBUTE_NAMESPACE,
  ChoraleError,
  joinedSchema,
  parseMessage,
  parseResult,
  publicRunSchema,
  roundEndSchema,
  roundRecordSchema,
  roundStartSchema,
  runStateSchema,
  updateReceiptSchema,
} from '@chorale/protocol';
import { z } from 'zod';

const ANSWER_TIMEOUT_MS = 20_000;

/** What a connection reports; each message has been checked against its schema. */
export type ConnectionEvents = {
  onConnected(): void;
  /** The connection broke; it comes back by itself. */
  onDisconnected(): void;
  /** The server closed the connection on purpose: the same contributor connected from elsewhere. */
  onReplaced(): void;
  onRoundStart(message: RoundStartMessage, adapter: Uint8Array): void;
  onRoundEnd(message: RoundEndMessage): void;
  onRecord(record: RoundRecord): void;
  onRunState(state: RunState): void;
  /** The server sent something that does not fit; it is dropped. */
  onInvalid(error: unknown): void;
};

/**
 * Reads a run's public facts.
 * @param runId null for the server's current run
 * @throws {ChoraleError} DISCONNECTED, RUN_UNKNOWN, MESSAGE_INVALID
 */
export async function fetchRun(serverUrl: string, runId: string | null): Promise<PublicRun> {
  const url = new URL(`/api/runs/${encodeURIComponent(runId ?? 'current')}`, serverUrl);
  const response = await fetch(url).catch((cause: unknown) => {
    throw new ChoraleError(
      'DISCONNECTED',
      'The server cannot be reached. Check the connection and try again.',
      { cause },
    );
  });
  if (response.status === 404) {
    throw new ChoraleError('RUN_UNKNOWN', 'This server has no such run. Ask for a fresh link.');
  }
  if (!response.ok)
    throw new ChoraleError('DISCONNECTED', `The server answered ${response.status}. Try again later.`);
  const body: unknown = await response.json().catch((cause: unknown) => {
    // A sign-in page of the network, say
    throw new ChoraleError('DISCONNECTED', 'What answered is not this server. Check the connection.', {
      cause,
    });
  });
  return parseMessage(publicRunSchema, body, 'run');
}

/** One contributor's socket. It reconnects by itself, with growing delays and jitter. */
export class RunConnection {
  readonly #socket: Socket<ServerToContributor, ContributorToServer>;

  constructor(serverUrl: string, events: ConnectionEvents) {
    this.#socket = io(new URL(CONTRIBUTE_NAMESPACE, serverUrl).href, {
      transports: ['websocket'],
      autoConnect: false,
      // A connection shared with another socket of this process would open by itself, and join twice
      forceNew: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 10_000,
      randomizationFactor: 0.5,
    });
    const guarded = (handle: () => void) => {
      try {
        handle();
      } catch (error) {
        events.onInvalid(error);
      }
    };
    this.#socket.on('connect', () => events.onConnected());
    this.#socket.on('disconnect', (reason) => {
      if (reason === 'io server disconnect') events.onReplaced();
      else if (reason !== 'io client disconnect') events.onDisconnected();
    });
    this.#socket.on('connect_error', () => events.onDisconnected());
    this.#socket.on('round:start', (message, adapter) =>
      guarded(() => {
        const start = parseMessage(roundStartSchema, message, 'round:start');
        events.onRoundStart(start, new Uint8Array(parseMessage(binarySchema, adapter, 'round:start')));
      }),
    );
    this.#socket.on('round:end', (message) =>
      guarded(() => events.onRoundEnd(parseMessage(roundEndSchema, message, 'round:end'))),
    );
    this.#socket.on('round:record', (record) =>
      guarded(() => events.onRecord(parseMessage(roundRecordSchema, record, 'round:record'))),
    );
    this.#socket.on('run:state', (state) =>
      guarded(() => events.onRunState(parseMessage(runStateSchema, state, 'run:state'))),
    );
  }

  get connected(): boolean {
    return this.#socket.connected;
  }

  open(): void {
    this.#socket.connect();
  }

  close(): void {
    this.#socket.disconnect();
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async join(message: JoinMessage): Promise<JoinedMessage> {
    return parseResult(joinedSchema, await this.#ask('join', message), 'join');
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async sendUpdate(runId: string, round: number, payload: Uint8Array): Promise<UpdateReceipt> {
    return parseResult(updateReceiptSchema, await this.#ask('update', { runId, round }, payload), 'update');
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async setAvailability(runId: string, availability: Availability): Promise<void> {
    parseResult(z.null(), await this.#ask('availability', { runId, availability }), 'availability');
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async leave(runId: string): Promise<void> {
    parseResult(z.null(), await this.#ask('leave', { runId }), 'leave');
  }

  async #ask(event: keyof ContributorToServer, ...message: unknown[]): Promise<unknown> {
    if (!this.#socket.connected)
      throw new ChoraleError('DISCONNECTED', 'The connection to the server is down.');
    // The typed emitWithAck has one overload per event; this one place serves all four
    const socket = this.#socket as unknown as Socket;
    try {
      return await socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck(event, ...message);
    } catch (cause) {
      throw new ChoraleError(
        'TIMEOUT',
        `The server did not answer "${event}" in ${ANSWER_TIMEOUT_MS / 1000} s.`,
        { cause },
      );
    }
  }
}

const binarySchema = z.union([z.instanceof(ArrayBuffer), z.instanceof(Uint8Array)]);
