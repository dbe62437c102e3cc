import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import type { LocalCounts, Privatized } from '@chorale/privacy';
import type {
  Binding,
  ContributorToServer,
  Identity,
  JoinedMessage,
  OfferAnswer,
  ResolvedRun,
  Result,
  ServerToContributor,
  UpdateReceipt,
} from '@chorale/protocol';
import { PROTOCOL_VERSION, bindingOf, encodeUpdate } from '@chorale/protocol';
import { sha256Of } from '../fileStore.ts';
import { randomToken } from '../identity.ts';

/** What happens that a kill can be aligned to. */
export type Moment = 'sent' | 'acknowledged' | 'round-ended' | 'round-started';

/** What a contributor sends in a round: the same in every life of every server. */
export type CrashUpdate = { values: Float32Array; localCounts: LocalCounts | null };

/** An update of a run without noise: any values do, as long as they are of very different sizes. */
export function updateValues(contributor: number, round: number, count: number): Float32Array {
  // A small linear congruential generator
  let state = (contributor * 7919 + round * 104_729 + 1) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 10 ** ((state % 7) - 3);
  });
}

/** An update of any run: where the run protects, from the law of its noise, so that the server's window takes it. */
function updateOf(contributor: number, round: number, { plan }: ResolvedRun): CrashUpdate {
  const { training, privacy, localMetrics } = plan.config;
  const { parameterCount, noiseMultiplier } = plan;
  if (privacy.unit === 'none')
    return { values: updateValues(contributor, round, parameterCount), localCounts: null };
  const { learningRate, clippingNorm, expectedBatchSize, localSteps } = training;
  const stdDev =
    ((learningRate * clippingNorm) / expectedBatchSize) * noiseMultiplier * Math.sqrt(localSteps);
  const normals = seededNormals(contributor * 7919 + round * 104_729 + 1);
  const values = Float32Array.from({ length: parameterCount }, () => stdDev * normals());
  const count = (mean: number): number => Math.round(mean + normals());
  return { values, localCounts: localMetrics ? { correct: count(10), rows: count(20) } : null };
}

/** Standard normal numbers, by Box and Muller of xorshift32. */
function seededNormals(seed: number): () => number {
  let state = Math.imul(seed, 2_654_435_761) >>> 0 || 1;
  const uniform = (): number => {
    state = (state ^ (state << 13)) >>> 0;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
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
  /** Duplicates whose acknowledgement was lost: stored before a kill, sent again after it. */
  resent = 0;
  /** Unacknowledged updates that no open round took; their round is started again. */
  late = 0;
  identity: Identity | undefined;
  /** Kept over a lost answer to her join, as her ledger would. */
  readonly #newToken = randomToken();
  readonly #index: number;
  readonly #url: string;
  readonly #run: ResolvedRun;
  readonly #binding: Binding;
  readonly #onMoment: (moment: Moment) => void;
  /** Rounds she never sends anything in. */
  readonly #sitsOut: (round: number) => boolean;
  readonly #unacknowledged = new Set<number>();
  #turn: Promise<void> = Promise.resolve();
  #socket: Socket<ServerToContributor, ContributorToServer> | undefined;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    index: number,
    url: string,
    run: ResolvedRun,
    {
      onMoment,
      sitsOut = () => false,
    }: { onMoment: (moment: Moment) => void; sitsOut?: (round: number) => boolean },
  ) {
    this.#index = index;
    this.#sitsOut = sitsOut;
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
        ...(this.identity ? { identity: this.identity } : { newToken: this.#newToken }),
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
      if (this.#sitsOut(round)) return;
      this.#unacknowledged.add(round);
      this.#deliver(socket, round);
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
      this.#deliver(socket, round);
    }
  }

  /** One after the other: a connection has one offer. */
  #deliver(socket: Socket<ServerToContributor, ContributorToServer>, round: number): void {
    this.#turn = this.#turn.then(() => this.#send(socket, round));
  }

  async #send(socket: Socket<ServerToContributor, ContributorToServer>, round: number): Promise<void> {
    const { values, localCounts } = updateOf(this.#index, round, this.#run);
    // The one place where a test says of numbers that they are privatized.
    const bytes = encodeUpdate(
      { values } as unknown as Privatized<Float32Array>,
      round,
      this.#binding,
      localCounts && ({ values: localCounts } as unknown as Privatized<LocalCounts>),
    );
    const known = this.acknowledged.has(round);
    const answer = await this.#offerAndSend(socket, round, bytes);
    if (answer === null) return;
    if (!answer.ok && answer.error.retryable) {
      this.retried.push(answer.error.code);
      setTimeout(() => {
        if (socket.connected) this.#deliver(socket, round);
      }, 50);
      return;
    }
    if (!answer.ok && ['UPDATE_WRONG_ROUND', 'RUN_ENDED'].includes(answer.error.code) && !known) {
      // The round closed without her, or its attempt was given up before she was back: the next one asks again
      this.#unacknowledged.delete(round);
      this.late++;
      return;
    }
    if (!answer.ok) {
      this.refusals.push(`update of round ${round}: ${answer.error.code}: ${answer.error.message}`);
      return;
    }
    if (known && !answer.value.duplicate) this.refusals.push(`round ${round} was accepted twice`);
    if (answer.value.duplicate) this.duplicates++;
    if (answer.value.duplicate && !known) this.resent++;
    this.#unacknowledged.delete(round);
    this.acknowledged.set(round, sha256Of(bytes));
    this.#onMoment('acknowledged');
  }

  async #offerAndSend(
    socket: Socket<ServerToContributor, ContributorToServer>,
    round: number,
    bytes: Uint8Array,
  ): Promise<Result<UpdateReceipt> | null> {
    const offer = { round, sha256: sha256Of(bytes), payloadBytes: bytes.length };
    const offered = await this.#ask<OfferAnswer>(socket, 'offer', offer);
    if (offered === null || !offered.ok) return offered;
    if (offered.value === 'stored') return { ok: true, value: { round, duplicate: true } };
    const asked = this.#ask<UpdateReceipt>(socket, 'update', { round }, bytes);
    this.#onMoment('sent');
    return await asked;
  }

  /** Null when the connection ended before the answer. */
  async #ask<T>(
    socket: Socket<ServerToContributor, ContributorToServer>,
    event: string,
    ...args: unknown[]
  ): Promise<Result<T> | null> {
    if (!socket.connected) return null;
    const loose = socket as unknown as { emit(...all: unknown[]): void };
    return new Promise((resolve) => {
      socket.once('disconnect', () => resolve(null));
      loose.emit(event, ...args, (result: Result<T>) => resolve(result));
    });
  }
}
