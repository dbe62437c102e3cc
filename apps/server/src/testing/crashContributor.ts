import { createHash } from 'node:crypto';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import type { Privatized } from '@chorale/privacy';
import type {
  Binding,
  ContributorToServer,
  Identity,
  JoinedMessage,
  ResolvedRun,
  Result,
  ServerToContributor,
  UpdateReceipt,
} from '@chorale/protocol';
import { PROTOCOL_VERSION, bindingOf, encodeUpdate } from '@chorale/protocol';

/** What happens that a kill can be aligned to. */
export type Moment = 'sent' | 'acknowledged' | 'round-ended' | 'round-started';

/** The update of one contributor for one round: the same in every life of every server. */
export function updateValues(contributor: number, round: number, count: number): Float32Array {
  // A small linear congruential generator: any values do, as long as they are of very different sizes
  let state = (contributor * 7919 + round * 104_729 + 1) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 10 ** ((state % 7) - 3);
  });
}

/**
 * A contributor who comes back whatever happens to the server, under the identity she has, and sends the same bytes again
 * until they are acknowledged.
 */
export class CrashContributor {
  /** Round → SHA-256 of the bytes that were acknowledged. */
  readonly acknowledged = new Map<number, string>();
  /** What was refused for good; nothing should be. */
  readonly refusals: string[] = [];
  /** Codes after which the same bytes were sent again. */
  readonly retried: string[] = [];
  duplicates = 0;
  /** Unacknowledged updates that no open round took; their round is started again. */
  late = 0;
  identity: Identity | undefined;
  readonly #index: number;
  readonly #url: string;
  readonly #run: ResolvedRun;
  readonly #binding: Binding;
  readonly #onMoment: (moment: Moment) => void;
  readonly #unacknowledged = new Set<number>();
  #socket: Socket<ServerToContributor, ContributorToServer> | undefined;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(index: number, url: string, run: ResolvedRun, onMoment: (moment: Moment) => void) {
    this.#index = index;
    this.#url = url;
    this.#run = run;
    this.#binding = bindingOf(run);
    this.#onMoment = onMoment;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.disconnect();
  }

  #connect(): void {
    if (this.#stopped) return;
    const socket: Socket<ServerToContributor, ContributorToServer> = io(`${this.#url}contribute`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: {
        protocolVersion: PROTOCOL_VERSION,
        runId: this.#run.runId,
        ...(this.identity ? { identity: this.identity } : {}),
      },
    });
    this.#socket = socket;
    const again = (): void => {
      // What an earlier socket says late is of no interest
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      socket.disconnect();
      this.#timer = setTimeout(() => this.#connect(), 15);
    };
    socket.on('connect_error', (error) => {
      const code = (error as Error & { data?: { code?: string } }).data?.code;
      if (code !== undefined && code !== 'SERVER_CLOSING') this.refusals.push(`connect: ${code}`);
      again();
    });
    socket.on('disconnect', again);
    socket.on('connect', () => void this.#join(socket));
    socket.on('round:start', ({ round }) => {
      this.#onMoment('round-started');
      this.#unacknowledged.add(round);
      void this.#send(socket, round);
    });
    socket.on('round:end', () => this.#onMoment('round-ended'));
  }

  async #join(socket: Socket<ServerToContributor, ContributorToServer>): Promise<void> {
    const answer = await this.#ask<JoinedMessage>(socket, 'join', {
      planHash: this.#run.planHash,
      basisHash: this.#run.plan.basisHash,
      backend: 'wasm',
      availability: 'available',
      chargedRounds: [],
    });
    if (answer === null) return;
    if (answer.ok) {
      this.identity = { contributorId: answer.value.contributorId, token: answer.value.token };
    } else if (answer.error.code !== 'RUN_ENDED') this.refusals.push(`join: ${answer.error.code}`);
    // The bytes of the last life, and one that was acknowledged: it must be known
    for (const round of [...this.#unacknowledged, ...[...this.acknowledged.keys()].slice(-1)]) {
      void this.#send(socket, round);
    }
  }

  async #send(socket: Socket<ServerToContributor, ContributorToServer>, round: number): Promise<void> {
    const values = updateValues(this.#index, round, this.#run.plan.parameterCount);
    // The one place where a test says of numbers that they are privatized.
    const bytes = encodeUpdate({ values } as unknown as Privatized<Float32Array>, round, this.#binding);
    const known = this.acknowledged.has(round);
    const asked = this.#ask<UpdateReceipt>(socket, 'update', { round }, bytes);
    this.#onMoment('sent');
    const answer = await asked;
    if (answer === null) return;
    if (!answer.ok && answer.error.retryable) {
      this.retried.push(answer.error.code);
      setTimeout(() => {
        if (socket.connected) void this.#send(socket, round);
      }, 50);
      return;
    }
    if (!answer.ok && answer.error.code === 'UPDATE_WRONG_ROUND' && !known) {
      // On a slow machine the attempt was given up before she was back; the next one asks for the same bytes
      this.late++;
      return;
    }
    if (!answer.ok) {
      this.refusals.push(`update of round ${round}: ${answer.error.code}: ${answer.error.message}`);
      return;
    }
    if (known && !answer.value.duplicate) this.refusals.push(`round ${round} was accepted twice`);
    if (answer.value.duplicate) this.duplicates++;
    this.#unacknowledged.delete(round);
    this.acknowledged.set(round, createHash('sha256').update(bytes).digest('hex'));
    this.#onMoment('acknowledged');
  }

  /** Null when the connection ended before the answer. */
  async #ask<T>(
    socket: Socket<ServerToContributor, ContributorToServer>,
    event: string,
    ...args: unknown[]
  ): Promise<Result<T> | null> {
    const loose = socket as unknown as { emit(...all: unknown[]): void };
    return new Promise((resolve) => {
      socket.once('disconnect', () => resolve(null));
      loose.emit(event, ...args, (result: Result<T>) => resolve(result));
    });
  }
}
