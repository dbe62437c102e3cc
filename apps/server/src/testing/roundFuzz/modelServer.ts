import type {
  EngineState,
  RandomInt,
  RoundAggregate,
  RoundEffect,
  RoundEvent,
  RoundRules,
} from '@chorale/coordinator';
import {
  assertNotEnded,
  checkUpdate,
  nextAdapter,
  nextTimeoutMs,
  openAggregate,
  openRound,
  owedEffects,
  receivedContributors,
  restoreState,
  runView,
  serializeState,
  step,
} from '@chorale/coordinator';
import type { Binding, Identity, JoinedMessage, ResolvedRun, Result } from '@chorale/protocol';
import {
  ChoraleError,
  availabilitySchema,
  bindingOf,
  decodeUpdate,
  encodeAdapter,
  joinSchema,
  leaveSchema,
  roundEndSchema,
  roundStartSchema,
  trainedRangeOf,
  updateBytes,
  updateSchema,
  wireError,
} from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { sha256 } from './fuzzRun.ts';
import type { Opening, ServerEnd, ToServer } from './wire.ts';

export type ServerWorld = {
  run: ResolvedRun;
  rules: RoundRules;
  store: Store;
  now: () => number;
  random: RandomInt;
};

type Socket = { end: ServerEnd; identity: Identity | null; contributorId: string | null };
type Arrival = { socket: Socket; contributorId: string; id: number; round: number; payload: Uint8Array };

/**
 * What a server around the round engine has to do, and no more: one process life of one run. Steps are stored before
 * they are taken over; updates wait in `arrivals` and are stored together; effects wait until `work`.
 */
export class ModelServer {
  state: EngineState;
  readonly arrivals: Arrival[] = [];
  readonly effects: RoundEffect[];
  /** Round that is being measured; its result comes when the world says so. */
  measuring: number[] = [];
  readonly #world: ServerWorld;
  readonly #binding: Binding;
  readonly #sockets = new Map<string, Socket>();
  #sum: { round: number; aggregate: RoundAggregate };
  #steppedAtMs: number;

  constructor(world: ServerWorld) {
    const { run, store, rules, now } = world;
    this.#world = world;
    this.#binding = bindingOf(run);
    this.#steppedAtMs = now();
    const { engineState } = store.getRun(run.runId)!;
    const receivedOf = (round: number) => store.receivedContributors(run.runId, round);
    this.state = restoreState(engineState, rules, this.#steppedAtMs, receivedOf);
    this.effects = owedEffects(this.state);
    this.#sum = this.#sumOf(this.view.round);
    for (const { bytes } of store.eachUpdate(run.runId, this.#sum.round)) {
      this.#sum.aggregate.add(decodeUpdate(bytes, this.#binding).values);
    }
  }

  get view() {
    return runView(this.state, this.#world.rules, this.#world.now());
  }

  get timeoutMs(): number | null {
    return nextTimeoutMs(this.state, this.#world.rules, this.#steppedAtMs);
  }

  connect({ end, identity }: Opening): void {
    const socket: Socket = { end, identity, contributorId: null };
    end.onMessage = (message) => this.#receive(socket, message);
    end.onClose = () => this.#closed(socket);
  }

  /** @throws {ChoraleError} as the engine and the store do; then nothing has happened */
  dispatch(event: RoundEvent, save?: (engine: { status: EngineStatus; engineState: string }) => void): void {
    const { run, store, rules, now, random } = this.#world;
    const nowMs = now();
    const { state, effects } = step(this.state, event, { rules, nowMs, random });
    if (save) save(engineRow(state));
    else if (state.durable !== this.state.durable) store.saveEngine(run.runId, engineRow(state));
    this.#takeOver(state, effects, nowMs);
  }

  #takeOver(state: EngineState, effects: readonly RoundEffect[], nowMs: number): void {
    this.state = state;
    this.#steppedAtMs = nowMs;
    this.effects.push(...effects);
    if (this.#sum.round !== this.view.round) this.#sum = this.#sumOf(this.view.round);
  }

  #sumOf(round: number): { round: number; aggregate: RoundAggregate } {
    const { config } = this.#world.run.plan;
    const { start, end } = trainedRangeOf(this.#binding, round);
    return { round, aggregate: openAggregate(config.aggregation, end - start) };
  }

  /* ------------------------------------------------ messages ------------------------------------------------ */

  #receive(socket: Socket, { id, event, message, payload }: ToServer): void {
    try {
      const value = this.#handle(socket, { id, event, message, ...(payload && { payload }) });
      if (value !== 'later') answer(socket, id, { ok: true, value });
    } catch (error) {
      answer(socket, id, { ok: false, error: wireError(error) });
    }
  }

  #handle(socket: Socket, { id, event, message, payload }: ToServer): unknown {
    switch (event) {
      case 'join':
        return this.#join(socket, joinSchema.parse(message));
      case 'update': {
        const contributorId = socket.contributorId ?? socket.identity?.contributorId;
        if (contributorId === undefined) throw new ChoraleError('NOT_JOINED', 'join first');
        const { round } = updateSchema.parse(message);
        this.arrivals.push({ socket, contributorId, id, round, payload: payload! });
        return 'later';
      }
      case 'availability': {
        const { availability } = availabilitySchema.parse(message);
        if (socket.contributorId === null) throw new ChoraleError('NOT_JOINED', 'join first');
        const available = availability === 'available';
        this.dispatch({ type: 'availability', contributorId: socket.contributorId, available });
        return null;
      }
      case 'leave':
        leaveSchema.parse(message);
        if (socket.contributorId === null) throw new ChoraleError('NOT_JOINED', 'join first');
        this.dispatch({ type: 'leave', contributorId: socket.contributorId });
        this.#sockets.delete(socket.contributorId);
        socket.contributorId = null;
        return null;
    }
  }

  #join(socket: Socket, { availability }: { availability: string }): JoinedMessage {
    const { run, store } = this.#world;
    assertNotEnded(this.state);
    const identity = socket.identity ?? this.#newIdentity();
    const { contributorId } = identity;
    this.dispatch({ type: 'join', contributorId, available: availability === 'available' });
    socket.identity = identity;
    const before = this.#sockets.get(contributorId);
    if (before && before !== socket) {
      before.contributorId = null;
      before.end.close();
    }
    socket.contributorId = contributorId;
    this.#sockets.set(contributorId, socket);
    const chargedRounds = store.chargedRounds(run.runId, contributorId);
    return { ...identity, state: { runId: run.runId, ...this.view }, chargedRounds };
  }

  #newIdentity(): Identity {
    const { run, store, random } = this.#world;
    const contributorId = `c${String(random(1e9)).padStart(9, '0')}`;
    store.addContributor(run.runId, { contributorId, tokenHash: contributorId, backend: 'wasm' });
    return { contributorId, token: `token-of-${contributorId}` };
  }

  #closed(socket: Socket): void {
    const { contributorId } = socket;
    if (contributorId === null || this.#sockets.get(contributorId) !== socket) return;
    this.#sockets.delete(contributorId);
    socket.contributorId = null;
    try {
      this.dispatch({ type: 'disconnect', contributorId });
    } catch (error) {
      // What the step made due could not be stored; the next one tries again. That she is gone must not get lost.
      if (!(error instanceof ChoraleError)) throw error;
      this.gone.push(contributorId);
    }
  }

  /** Disconnects whose step could not be stored. */
  readonly gone: string[] = [];

  /* ------------------------------------------------ updates ------------------------------------------------ */

  /** Stores what arrived in one transaction, then answers. */
  flush(): void {
    if (this.arrivals.length === 0) return;
    const { run, store, rules, now, random } = this.#world;
    const arrived = this.arrivals.splice(0);
    const nowMs = now();
    const accepted: { contributorId: string; round: number; bytes: Uint8Array; sha256: string }[] = [];
    const values: Float32Array[] = [];
    const results: Result<unknown>[] = [];
    let { state } = this;
    const effects: RoundEffect[] = [];
    const advance = (event: RoundEvent) => {
      const next = step(state, event, { rules, nowMs, random });
      state = next.state;
      effects.push(...next.effects);
    };
    try {
      // A deadline that has passed holds, even if its timer is late.
      advance({ type: 'tick' });
      for (const { contributorId, round, payload } of arrived) {
        try {
          const decoded = decodeUpdate(payload, this.#binding);
          if (decoded.round !== round) throw new ChoraleError('UPDATE_MALFORMED', 'another round');
          const hash = sha256(payload);
          const held =
            accepted.find((one) => one.contributorId === contributorId && one.round === round)?.sha256 ??
            store.getUpdateHash(run.runId, round, contributorId);
          const decision = checkUpdate(state, { round, contributorId, sha256: hash }, held);
          if (decision === 'accept') {
            advance({ type: 'update-stored', contributorId });
            accepted.push({ contributorId, round, bytes: payload, sha256: hash });
            values.push(decoded.values);
          }
          results.push({ ok: true, value: { round, duplicate: decision === 'duplicate' } });
        } catch (error) {
          results.push({ ok: false, error: wireError(error) });
        }
      }
      const engine = state.durable === this.state.durable ? null : engineRow(state);
      if (accepted.length > 0) {
        const rows = accepted.map((one) => ({ ...one, receivedAtMs: nowMs }));
        store.acceptUpdates(run.runId, rows, engine);
      } else if (engine) {
        store.saveEngine(run.runId, engine);
      }
    } catch (error) {
      if (!(error instanceof ChoraleError)) throw error;
      for (const { socket, id } of arrived) answer(socket, id, { ok: false, error: wireError(error) });
      return;
    }
    for (const one of values) this.#sum.aggregate.add(one);
    this.#takeOver(state, effects, nowMs);
    arrived.forEach(({ socket, id }, k) => answer(socket, id, results[k]!));
  }

  /* ------------------------------------------------ effects ------------------------------------------------ */

  /** Carries the oldest effect out; it stays the oldest when the store refuses. */
  work(): void {
    const [effect] = this.effects;
    if (!effect) return;
    this.#carryOut(effect);
    this.effects.shift();
  }

  #carryOut(effect: RoundEffect): void {
    const { run, store, now } = this.#world;
    switch (effect.type) {
      case 'start-round': {
        const { round, attempt, adapterVersion, deadlineMs, contributorIds } = effect;
        const open = openRound(this.state.durable.phase);
        if (open?.round !== round || open.attempt !== attempt) return;
        const timeLeftMs = Math.max(0, deadlineMs - now());
        const message = roundStartSchema.parse({
          runId: run.runId,
          round,
          attempt,
          adapterVersion,
          timeLeftMs,
        });
        const { parameters } = store.getAdapter(run.runId, adapterVersion)!;
        const payload = encodeAdapter(Float32Array.from(parameters), adapterVersion, this.#binding);
        for (const id of contributorIds) {
          this.#sockets.get(id)?.end.send({ event: 'round:start', message, payload });
        }
        return;
      }
      case 'end-round': {
        const { type: _, contributorIds, ...facts } = effect;
        const message = roundEndSchema.parse({ runId: run.runId, ...facts });
        for (const id of contributorIds) this.#sockets.get(id)?.end.send({ event: 'round:end', message });
        return;
      }
      case 'aggregate':
        return this.#closeRound();
      case 'evaluate':
        this.measuring.push(effect.round);
        return;
    }
  }

  #closeRound(): void {
    const { phase } = this.state.durable;
    if (phase.status !== 'aggregating') return;
    const { run, store } = this.#world;
    const { round, attempt, cohort } = phase.closed;
    const received = receivedContributors(this.state);
    if (this.#sum.round !== round || this.#sum.aggregate.count !== received.length) {
      throw new Error(`expected the sum of ${received.length} updates of round ${round}`);
    }
    const { parameters, optimizerState, adapterVersion } = store.latestAdapter(run.runId);
    const next = nextAdapter({ parameters, optimizerState }, this.#sum.aggregate.finish(), {
      optimizer: run.plan.config.aggregation.serverOptimizer,
      range: trainedRangeOf(this.#binding, round),
    });
    const record = {
      round,
      attempt,
      cohort: cohort.size,
      received: received.length,
      adapterVersion: adapterVersion + 1,
      testAccuracy: null,
      testLoss: null,
      spentEpsilon: null,
      localMetrics: null,
      uplinkBytes: updateBytes(run.plan, round),
      durationMs: 0,
    };
    this.dispatch({ type: 'aggregated' }, (engine) =>
      store.closeRound(run.runId, { ...next, adapterVersion: adapterVersion + 1 }, record, engine, true),
    );
  }

  /** A measurement ends, in time or long after the engine gave it up. */
  measured(): void {
    const { run, store } = this.#world;
    const [round] = this.measuring;
    if (round === undefined) return;
    const { phase } = this.state.durable;
    const metrics = { testAccuracy: 0.5, testLoss: 1 };
    if (phase.status === 'evaluating' && phase.closed.round === round) {
      this.dispatch({ type: 'evaluated', warning: null }, (engine) =>
        store.recordEvaluation(run.runId, round, metrics, engine),
      );
    } else {
      store.recordEvaluation(run.runId, round, metrics);
    }
    this.measuring.shift();
  }
}

type EngineStatus = EngineState['durable']['phase']['status'];

function engineRow(state: EngineState): { status: EngineStatus; engineState: string } {
  return { status: state.durable.phase.status, engineState: serializeState(state) };
}

function answer({ end }: Socket, id: number, result: Result<unknown>): void {
  end.send({ event: 'answer', id, result });
}
