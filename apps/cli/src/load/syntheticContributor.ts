import { createHash, randomBytes } from 'node:crypto';
import type {
  ContributorToServer,
  Handshake,
  Identity,
  ResolvedRun,
  RoundStartMessage,
  RunState,
  ServerToContributor,
} from '@chorale/protocol';
import {
  CONTRIBUTE_NAMESPACE,
  ENDED_STATUSES,
  PROTOCOL_VERSION,
  fromWireError,
  joinedSchema,
  offerAnswerSchema,
  parseMessage,
  parseResult,
  roundStartSchema,
  runStateSchema,
  updateReceiptSchema,
  wireError,
  wireErrorSchema,
} from '@chorale/protocol';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import type { FaultChoice } from './faults.ts';
import type { LoadTally } from './loadTally.ts';
import type { UpdatePool } from './updatePool.ts';

const ANSWER_TIMEOUT_MS = 120_000;
const RETRY_MS = 500;

export type SyntheticOptions = {
  serverUrl: string;
  run: ResolvedRun;
  invite: string | undefined;
  /** Its number among the synthetic contributors, from 0. */
  number: number;
  pool: UpdatePool;
  faults: FaultChoice;
  tally: LoadTally;
  onState: (state: RunState) => void;
};

type Update = { round: number; payload: Uint8Array; sha256: string };

/**
 * Takes part in a run as a tab does on the wire, over a socket of its own, with updates that hold nothing but noise. It
 * keeps each update until the server has answered, and comes back as the same contributor after every disconnection.
 */
export class SyntheticContributor {
  readonly #options: SyntheticOptions;
  readonly #socket: Socket<ServerToContributor, ContributorToServer>;
  #identity: Identity | undefined;
  readonly #newToken = randomBytes(32).toString('base64url');
  #joined = Promise.withResolvers<void>();
  /** Computed, and not answered yet. */
  #pending: Update | null = null;
  #delivering = false;
  #closed = false;
  /** Rounds it has an answer for. */
  readonly #settled = new Set<number>();

  constructor(options: SyntheticOptions) {
    this.#options = options;
    this.#joined.promise.catch(() => undefined);
    this.#socket = io(new URL(CONTRIBUTE_NAMESPACE, options.serverUrl).href, {
      transports: ['websocket'],
      autoConnect: false,
      forceNew: true,
      auth: (hand) => hand(this.#handshake()),
      reconnectionDelay: RETRY_MS,
      reconnectionDelayMax: 10_000,
    });
    this.#socket.on('connect', () => void this.#enter());
    this.#socket.on('connect_error', (error: Error & { data?: unknown }) => this.#onRefused(error.data));
    this.#socket.on('disconnect', (reason) => {
      if (reason === 'io server disconnect' && !this.#closed)
        options.tally.violation('the server cut a connection');
    });
    this.#socket.on('round:start', (message, adapter) => this.#onRoundStart(message, adapter));
    this.#socket.on('run:state', (state) => this.#onState(parseMessage(runStateSchema, state, 'run:state')));
  }

  /** Connects and joins. */
  async open(): Promise<void> {
    this.#socket.connect();
    await this.#joined.promise;
  }

  /** Everything that was computed has its answer. */
  get settled(): boolean {
    return this.#pending === null;
  }

  close(): void {
    this.#closed = true;
    this.#socket.disconnect();
  }

  #handshake(): Handshake {
    const { run, invite } = this.#options;
    return {
      protocolVersion: PROTOCOL_VERSION,
      runId: run.runId,
      ...(this.#identity ? { identity: this.#identity } : { newToken: this.#newToken }),
      ...(invite && !this.#identity ? { invite } : {}),
    };
  }

  #onRefused(data: unknown): void {
    const refused = wireErrorSchema.safeParse(data);
    // A server that is away for a moment: socket.io tries again by itself
    if (!refused.success) return;
    const { code, message, retryable } = refused.data;
    this.#options.tally.refusedConnection(code);
    if (this.#closed) return;
    if (retryable) setTimeout(() => this.#socket.connect(), RETRY_MS * 2);
    else this.#joined.reject(new Error(`contributor ${this.#options.number}: ${code}: ${message}`));
  }

  async #enter(): Promise<void> {
    const { run, tally, number } = this.#options;
    const { planHash, plan } = run;
    try {
      const joined = parseResult(
        joinedSchema,
        await this.#ask('join', {
          planHash,
          basisHash: plan.basisHash,
          backend: 'cpu',
          availability: 'available',
          chargedRounds: this.#identity ? [...this.#settled] : [],
        }),
        'join',
      );
      this.#identity = { contributorId: joined.contributorId, token: joined.token };
      this.#onState(joined.state);
      this.#joined.resolve();
    } catch (error) {
      const { code, message, retryable } = wireError(error);
      // Once it has joined, an ended run only leaves its last update to be answered
      if (!retryable) this.#joined.reject(new Error(`contributor ${number}: ${code}: ${message}`));
      else if (!this.#closed && this.#socket.connected) setTimeout(() => void this.#enter(), RETRY_MS);
      tally.refusedConnection(code);
    }
    await this.#deliver();
  }

  #onState(state: RunState): void {
    if (state.runId === this.#options.run.runId) this.#options.onState(state);
    if (ENDED_STATUSES.includes(state.status)) void this.#deliver();
  }

  #onRoundStart(message: unknown, adapter: ArrayBuffer | Uint8Array): void {
    const { round }: RoundStartMessage = parseMessage(roundStartSchema, message, 'round:start');
    const { tally, pool, number } = this.#options;
    tally.received(adapter.byteLength);
    if (this.#settled.has(round) || this.#pending?.round === round) return void this.#deliver();
    const payload = pool.update(round, number);
    this.#pending = { round, payload, sha256: createHash('sha256').update(payload).digest('hex') };
    void this.#deliver();
  }

  /** Brings the pending update to the server: the same bytes until it has answered. */
  async #deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      let first = true;
      while (this.#pending && !this.#closed && this.#socket.connected) {
        const update = this.#pending;
        if (first && (await this.#injectBefore(update))) return;
        first = false;
        if (await this.#send(update)) this.#pending = this.#pending === update ? null : this.#pending;
        else await sleep(RETRY_MS);
      }
    } finally {
      this.#delivering = false;
    }
  }

  /** @returns whether the connection was cut: delivery goes on after the next join */
  async #injectBefore(update: Update): Promise<boolean> {
    const { faults, tally } = this.#options;
    if (faults.happens('delay')) {
      tally.injected('delay');
      await sleep(faults.delayMs());
    }
    if (faults.happens('corrupt')) {
      tally.injected('corrupt');
      const outcome = await this.#offerAndSend({ ...update, payload: faults.corrupted(update.payload) });
      if (outcome === 'accepted' || outcome === 'duplicate')
        tally.violation(`a corrupted update of round ${update.round} was ${outcome}`);
    }
    if (!faults.happens('drop')) return false;
    tally.injected('drop');
    // As a network that goes away: no goodbye
    this.#socket.io.engine.close();
    return true;
  }

  /** @returns whether it has its answer */
  async #send(update: Update): Promise<boolean> {
    const { tally, faults } = this.#options;
    const startedAtMs = performance.now();
    const outcome = await this.#offerAndSend(update);
    if (outcome === null) return false;
    this.#settled.add(update.round);
    tally.answered(outcome, update.payload.byteLength, performance.now() - startedAtMs);
    if (outcome === 'accepted' && faults.happens('duplicate')) {
      tally.injected('duplicate');
      const again = await this.#offerAndSend(update);
      if (again !== 'duplicate' && again !== null)
        tally.violation(`an acknowledged update sent again: ${again}`);
    }
    return true;
  }

  /** @returns what became of it, or null when there was no answer, or one that lets it try again */
  async #offerAndSend({ round, payload, sha256 }: Update): Promise<string | null> {
    try {
      const offer = { round, sha256, payloadBytes: payload.byteLength };
      const granted = await this.#ask('offer', offer);
      if (parseResult(offerAnswerSchema, granted, 'offer') === 'stored') return 'duplicate';
      const answer = await this.#ask('update', { round }, payload);
      return outcomeOf(() => parseResult(updateReceiptSchema, answer, 'update'));
    } catch (error) {
      const { code, retryable } = wireError(error);
      return retryable ? null : code;
    }
  }

  async #ask(event: keyof ContributorToServer, ...message: unknown[]): Promise<unknown> {
    const socket = this.#socket as unknown as Socket;
    return await socket
      .timeout(ANSWER_TIMEOUT_MS)
      .emitWithAck(event, ...message)
      .catch(() => {
        throw fromWireError({ code: 'DISCONNECTED', message: 'no answer', retryable: true });
      });
  }
}

/** @throws {ChoraleError} a retryable refusal */
function outcomeOf(read: () => { duplicate: boolean }): string {
  try {
    return read().duplicate ? 'duplicate' : 'accepted';
  } catch (error) {
    const { code, retryable } = wireError(error);
    if (retryable) throw error;
    return code;
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
