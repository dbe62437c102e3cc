import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import type {
  Availability,
  ContributorToServer,
  Handshake,
  JoinMessage,
  JoinedMessage,
  OfferAnswer,
  OfferMessage,
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
  offerAnswerSchema,
  parseMessage,
  parseResult,
  roundEndSchema,
  roundRecordSchema,
  roundStartSchema,
  runStateSchema,
  updateReceiptSchema,
  wireError,
  wireErrorSchema,
} from '@chorale/protocol';
import { z } from 'zod';
import { retryDelayAfter } from './backoff.ts';
import type { ClientError } from './state.ts';

const ANSWER_TIMEOUT_MS = 20_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** For its turn an update may wait as long as a thousand others take. */
const OFFER_TIMEOUT_MS = 120_000;
/** A line that carries less than this is too slow for a run; the server gives up at the same rate. */
const SLOWEST_BYTES_PER_MS = 8;
/** A connection that has lasted so long works; one that is dropped sooner each time is tried ever more seldom. */
const STEADY_MS = 10_000;

/** Why there is no connection, and when it is tried again, in milliseconds since 1970; null: just now. */
export type Retry = { error: ClientError; nextTryAtMs: number | null };

/** What a connection reports; each message has been checked against its schema. */
export type ConnectionEvents = {
  onConnected(): void;
  /** The connection broke, or another try to open one failed; it is tried again by itself. */
  onDisconnected(retry: Retry): void;
  /** The server does not let this contributor in, or she must not go there; it is not tried again. */
  onRefused(error: ChoraleError): void;
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
 * One contributor's socket, which belongs to one run. It connects again by itself, each time with a fresh socket and
 * after delays that grow, see `retryDelayMs`.
 */
export class RunConnection {
  readonly #serverUrl: string;
  readonly #handshake: () => Promise<Handshake>;
  readonly #events: ConnectionEvents;
  #socket: Socket<ServerToContributor, ContributorToServer> | null = null;
  #nextTry: ReturnType<typeof setTimeout> | undefined;
  /** Tries in a row that did not come to a join. */
  #failures = 0;
  /** Joined on the present socket. */
  #settled = false;
  #steady: ReturnType<typeof setTimeout> | undefined;
  /** Updates whose bytes are on their way. */
  #transfers = 0;
  #closed = false;

  /**
   * @param handshake asked anew for each socket: who she is may have come out meanwhile. An error of it that is not
   *   retryable ends the connection.
   */
  constructor(serverUrl: string, handshake: () => Promise<Handshake>, events: ConnectionEvents) {
    this.#serverUrl = serverUrl;
    this.#handshake = handshake;
    this.#events = events;
  }

  get connected(): boolean {
    return this.#socket?.connected ?? false;
  }

  /** The bytes of an update are on their way: whatever is asked now waits behind them. */
  get transferring(): boolean {
    return this.#transfers > 0;
  }

  /** Opens a fresh socket now, whatever became of the one before and whenever the next try was due. */
  open(): void {
    if (this.#closed) return;
    this.#hangUp();
    const socket: Socket<ServerToContributor, ContributorToServer> = io(
      new URL(CONTRIBUTE_NAMESPACE, this.#serverUrl).href,
      {
        transports: ['websocket'],
        autoConnect: false,
        // A connection shared with another socket of this process would open by itself, and join twice
        forceNew: true,
        // By `failed`, which tells when
        reconnection: false,
        timeout: CONNECT_TIMEOUT_MS,
        auth: (send: (handshake: Handshake) => void) => {
          this.#handshake().then(send, (error: unknown) => {
            if (socket === this.#socket) this.failed(error);
          });
        },
      },
    );
    this.#socket = socket;
    this.#listen(socket);
    socket.connect();
  }

  close(): void {
    this.#closed = true;
    this.#hangUp();
  }

  /** Joining is through: when it lasts, the next delay starts from the shortest again. */
  settled(): void {
    this.#settled = true;
    clearTimeout(this.#steady);
    this.#steady = setTimeout(() => {
      this.#failures = 0;
    }, STEADY_MS);
  }

  /** Gives the present socket up for an error; where that may pass, it is tried again by itself. */
  failed(error: unknown): void {
    if (this.#closed) return;
    const { code, message, retryable } = wireError(error);
    this.#hangUp();
    if (!retryable) {
      this.#events.onRefused(new ChoraleError(code, message, { cause: error }));
      return;
    }
    this.#failures += 1;
    const delayMs = retryDelayAfter(code, this.#failures);
    this.#nextTry = setTimeout(() => this.open(), delayMs);
    this.#events.onDisconnected({ error: { code, message }, nextTryAtMs: Date.now() + delayMs });
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async join(message: JoinMessage): Promise<JoinedMessage> {
    return parseResult(joinedSchema, await this.#ask('join', message), 'join');
  }

  /**
   * Asks to send an update; the answer comes when it is this one's turn. One at a time: the server forgets an earlier one.
   * @throws {ChoraleError} what the server answered, or TIMEOUT
   */
  async offerUpdate(offer: OfferMessage, timeoutMs = OFFER_TIMEOUT_MS): Promise<OfferAnswer> {
    return parseResult(offerAnswerSchema, await this.#askWithin(timeoutMs, 'offer', offer), 'offer');
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async sendUpdate(round: number, payload: Uint8Array): Promise<UpdateReceipt> {
    const timeoutMs = updateTimeoutMs(payload.byteLength);
    this.#transfers += 1;
    try {
      const answer = await this.#askWithin(timeoutMs, 'update', { round }, payload);
      return parseResult(updateReceiptSchema, answer, 'update');
    } finally {
      this.#transfers -= 1;
    }
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async setAvailability(availability: Availability, timeoutMs = ANSWER_TIMEOUT_MS): Promise<void> {
    const answer = await this.#askWithin(timeoutMs, 'availability', { availability });
    parseResult(z.null(), answer, 'availability');
  }

  /** @throws {ChoraleError} what the server answered, or TIMEOUT */
  async leave(): Promise<void> {
    parseResult(z.null(), await this.#ask('leave', {}), 'leave');
  }

  #ask(event: keyof ContributorToServer, ...message: unknown[]): Promise<unknown> {
    return this.#askWithin(ANSWER_TIMEOUT_MS, event, ...message);
  }

  async #askWithin(
    timeoutMs: number,
    event: keyof ContributorToServer,
    ...message: unknown[]
  ): Promise<unknown> {
    if (!this.#socket?.connected) throw unreachable('the connection to the server is down');
    // The typed emitWithAck has one overload per event; this one place serves them all
    const socket = this.#socket as unknown as Socket;
    try {
      return await socket.timeout(timeoutMs).emitWithAck(event, ...message);
    } catch (cause) {
      throw new ChoraleError(
        'TIMEOUT',
        `The server did not answer "${event}" in ${Math.ceil(timeoutMs / 1000)} s.`,
        {
          cause,
        },
      );
    }
  }

  /** Without a word to the events: what an earlier socket still says does not count. */
  #hangUp(): void {
    clearTimeout(this.#nextTry);
    clearTimeout(this.#steady);
    const socket = this.#socket;
    this.#socket = null;
    this.#settled = false;
    socket?.disconnect();
  }

  #listen(socket: Socket<ServerToContributor, ContributorToServer>): void {
    const events = this.#events;
    /** Only for what the present socket says. */
    const present =
      <Said extends unknown[]>(handle: (...said: Said) => void) =>
      (...said: Said) => {
        if (socket === this.#socket) handle(...said);
      };
    const guarded = <Said extends unknown[]>(handle: (...said: Said) => void) =>
      present((...said: Said) => {
        try {
          handle(...said);
        } catch (error) {
          events.onInvalid(error);
        }
      });
    socket.on(
      'connect',
      present(() => events.onConnected()),
    );
    socket.on(
      'disconnect',
      present((reason: string) => {
        // On purpose, after joining: another connection took its place. Before, it was too slow.
        if (reason === 'io server disconnect' && this.#settled) events.onReplaced();
        else this.failed(unreachable('the connection to the server broke'));
      }),
    );
    socket.on(
      'connect_error',
      present((error: Error) => this.failed(refusalOf(error) ?? unreachable('the server cannot be reached'))),
    );
    socket.on(
      'round:start',
      guarded((message, adapter) => {
        const start = parseMessage(roundStartSchema, message, 'round:start');
        events.onRoundStart(start, new Uint8Array(parseMessage(binarySchema, adapter, 'round:start')));
      }),
    );
    socket.on(
      'round:end',
      guarded((message) => events.onRoundEnd(parseMessage(roundEndSchema, message, 'round:end'))),
    );
    socket.on(
      'round:record',
      guarded((record) => events.onRecord(parseMessage(roundRecordSchema, record, 'round:record'))),
    );
    socket.on(
      'run:state',
      guarded((state) => events.onRunState(parseMessage(runStateSchema, state, 'run:state'))),
    );
  }
}

/** How long an update's answer may take: its bytes have to arrive first. */
export function updateTimeoutMs(payloadBytes: number): number {
  return ANSWER_TIMEOUT_MS + payloadBytes / SLOWEST_BYTES_PER_MS;
}

/** How long an update may take from its offer to its answer, with its own wait for a turn. */
export function deliveryTimeoutMs(payloadBytes: number): number {
  return OFFER_TIMEOUT_MS + updateTimeoutMs(payloadBytes);
}

/** The server's refusal of a handshake; null when it was the network, or something that is not this server. */
function refusalOf(error: Error): ChoraleError | null {
  const refusal = wireErrorSchema.safeParse('data' in error ? error.data : null);
  return refusal.success ? new ChoraleError(refusal.data.code, refusal.data.message) : null;
}

function unreachable(what: string): ChoraleError {
  return new ChoraleError('DISCONNECTED', what);
}

const binarySchema = z.union([z.instanceof(ArrayBuffer), z.instanceof(Uint8Array)]);
