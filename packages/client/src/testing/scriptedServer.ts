import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import type {
  Availability,
  Binding,
  Handshake,
  JoinMessage,
  JoinedMessage,
  OfferAnswer,
  OfferMessage,
  PublicRun,
  Result,
  RoundEndMessage,
  RoundStartMessage,
  RunConfigInput,
  RunState,
  UpdateReceipt,
} from '@chorale/protocol';
import {
  CONTRIBUTE_NAMESPACE,
  ChoraleError,
  bindingOf,
  encodeAdapter,
  handshakeSchema,
  hashPlan,
  joinSchema,
  offerSchema,
  parseMessage,
  parseRunConfig,
  wireError,
} from '@chorale/protocol';
import type { ErrorCode, RunPlan } from '@chorale/protocol';

export const PARAMETER_COUNT = 4;
const CONTRIBUTOR_ID = 'contributor1';
const TOKEN = 'a-token-of-this-contributor';

/** A run of five rounds, four noised steps each. */
export async function publicRun(changes: Partial<RunConfigInput> = {}): Promise<PublicRun> {
  const config = parseRunConfig({
    name: 'Test run',
    task: { type: 'sequence-classification', labels: ['no', 'yes'] },
    training: {
      localSteps: 4,
      learningRate: 0.5,
      samplingRate: 0.1,
      expectedBatchSize: 8,
      clippingNorm: 1,
    },
    privacy: { unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 },
    rounds: { count: 5, cohortSize: 1, minimumUpdates: 1 },
    ...changes,
  });
  const piece = { sizeBytes: 2, sha256: 'a'.repeat(64) };
  const plan: RunPlan = {
    config,
    noiseMultiplier: config.privacy.unit === 'none' ? 0 : config.privacy.noiseMultiplier!,
    model: {
      name: 'tiny',
      source: null,
      files: [{ name: 'config.json', ...piece, pieces: [piece] }],
    },
    basisHash: 'b'.repeat(64),
    parameterCount: PARAMETER_COUNT,
    tensors: [{ name: 'classifier.weight', count: PARAMETER_COUNT }],
    trainedRanges: [{ start: 0, end: PARAMETER_COUNT }],
  };
  const runId = 'run-1';
  return {
    run: { runId, plan, planHash: await hashPlan(plan) },
    state: {
      runId,
      status: 'recruiting',
      reason: 'for contributors',
      round: 1,
      roundCount: config.rounds.count,
      adapterVersion: 0,
      cohortSize: 1,
      available: 0,
      cohort: 0,
      received: 0,
      timeLeftMs: null,
    },
    rounds: [],
  };
}

export type ArrivedUpdate = { round: number; bytes: Uint8Array };

/** A server that speaks the contribute namespace over real sockets and does what its test says. */
export class ScriptedServer {
  /** Of every socket, also of refused ones. */
  readonly handshakes: Handshake[] = [];
  readonly joins: JoinMessage[] = [];
  readonly offers: OfferMessage[] = [];
  readonly updates: ArrivedUpdate[] = [];
  readonly availabilities: Availability[] = [];
  leaves = 0;
  /** So long connections live without a sign of life; counts from `start`. */
  pingTimeoutMs = 20_000;
  /** Rounds its copy of the ledger charges. */
  chargedRounds: number[] = [];
  /** Why it refuses a handshake; null lets it in. */
  answerHandshake: (handshake: Handshake) => ErrorCode | null = () => null;
  /** Answers to availabilities get lost while it is true, as on a connection that is dead and does not know it. */
  deaf = false;
  /** What it answers to a join; null for no answer at all. */
  answerJoin: (message: JoinMessage) => unknown = () => this.joined();
  /** What it answers to an offer, and when; null for no answer at all. */
  answerOffer: (offer: OfferMessage) => Result<OfferAnswer> | null | Promise<Result<OfferAnswer> | null> =
    () => ok('send');
  /** What it answers to an update; null for no answer at all. Called when the update has arrived. */
  answerUpdate: (update: ArrivedUpdate) => Result<UpdateReceipt> | null = ({ round }) =>
    ok({ round, duplicate: false });
  /** It answers to a leave when this has resolved. */
  beforeLeave: () => Promise<void> = () => Promise.resolve();
  /** Called when an answer to a join has gone out. */
  afterJoin: () => void = () => undefined;
  /** What it answers to anything but sockets. */
  onRequest: (request: IncomingMessage, response: ServerResponse) => void = (request, response) => {
    if (!request.url?.startsWith('/api/runs/')) response.writeHead(404).end();
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(this.run));
  };
  run: PublicRun;
  #port = 0;
  #io: Server | null = null;

  constructor(run: PublicRun) {
    this.run = run;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get binding(): Binding {
    return bindingOf(this.run.run);
  }

  /** Starts it, again on the same port after `stop`. */
  async start(): Promise<void> {
    const http = createServer((request, response) => this.onRequest(request, response));
    const io = new Server(http, { transports: ['websocket'], pingTimeout: this.pingTimeoutMs });
    io.of(CONTRIBUTE_NAMESPACE).use((socket, next) => {
      const handshake = parseMessage(handshakeSchema, socket.handshake.auth, 'handshake');
      this.handshakes.push(handshake);
      const code = this.answerHandshake(handshake);
      if (code === null) next();
      else
        next(
          Object.assign(new Error(code), { data: wireError(new ChoraleError(code, `because of ${code}`)) }),
        );
    });
    io.of(CONTRIBUTE_NAMESPACE).on('connection', (socket) => {
      socket.on('join', (message: JoinMessage, answer: (result: unknown) => void) => {
        this.joins.push(parseMessage(joinSchema, message, 'join'));
        const result = this.answerJoin(message);
        if (result === null) return;
        answer(result);
        this.afterJoin();
      });
      socket.on('offer', async (message: OfferMessage, answer: (result: unknown) => void) => {
        const offer = parseMessage(offerSchema, message, 'offer');
        this.offers.push(offer);
        const result = await this.answerOffer(offer);
        if (result) answer(result);
      });
      socket.on('update', (message: { round: number }, payload: Uint8Array, answer) => {
        const update = { round: message.round, bytes: Uint8Array.from(payload) };
        this.updates.push(update);
        const result = this.answerUpdate(update);
        if (result) (answer as (result: unknown) => void)(result);
      });
      socket.on(
        'availability',
        ({ availability }: { availability: Availability }, answer: (result: unknown) => void) => {
          this.availabilities.push(availability);
          if (!this.deaf) answer(ok(null));
        },
      );
      socket.on('leave', (_: unknown, answer: (result: unknown) => void) => {
        this.leaves += 1;
        void this.beforeLeave().then(() => answer(ok(null)));
      });
    });
    await new Promise<void>((resolve) => http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (http.address() as AddressInfo).port;
    this.#io = io;
  }

  async stop(): Promise<void> {
    await this.#io?.close();
    this.#io = null;
  }

  get connections(): number {
    return this.#io?.of(CONTRIBUTE_NAMESPACE).sockets.size ?? 0;
  }

  joined(): Result<JoinedMessage> {
    const { chargedRounds } = this;
    return ok({ contributorId: CONTRIBUTOR_ID, token: TOKEN, state: this.run.state, chargedRounds });
  }

  /** Sends anything, fitting the protocol or not. */
  send(event: string, ...message: unknown[]): void {
    this.#io!.of(CONTRIBUTE_NAMESPACE).emit(event, ...message);
  }

  startRound(round: number, attempt = 1): void {
    const { runId } = this.run.run;
    const message: RoundStartMessage = {
      runId,
      round,
      attempt,
      adapterVersion: round - 1,
      timeLeftMs: 60_000,
    };
    const adapter = encodeAdapter(new Float32Array(PARAMETER_COUNT).fill(round), round - 1, this.binding);
    this.send('round:start', message, adapter);
  }

  endRound(round: number, outcome: RoundEndMessage['outcome'] = 'aggregated'): void {
    const { runId } = this.run.run;
    const message: RoundEndMessage = { runId, round, outcome, received: 1, adapterVersion: round };
    this.send('round:end', message);
  }

  sendState(changes: Partial<RunState>): void {
    this.send('run:state', { ...this.run.state, ...changes });
  }

  /** Breaks the connections as a lost network does: clients come back by themselves. */
  breakConnections(): void {
    for (const socket of this.#io!.of(CONTRIBUTE_NAMESPACE).sockets.values()) socket.conn.close();
  }

  /** Closes the connections on purpose, as for a contributor who connected from elsewhere. */
  replaceConnections(): void {
    this.#io!.of(CONTRIBUTE_NAMESPACE).disconnectSockets(false);
  }
}

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function refusal(code: ErrorCode, message = `refused with ${code}`): Result<never> {
  return { ok: false, error: wireError(new ChoraleError(code, message)) };
}

/** Polls until it holds. */
export async function until(holds: () => boolean, what: string, timeoutMs = 8_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Time in which a message that should not be sent would arrive. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 120));
}
