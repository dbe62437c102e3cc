import { randomInt } from 'node:crypto';
import type { EngineState, RoundEffect, RoundEvent, RoundRules, RoundTiming } from '@chorale/coordinator';
import {
  assertNotEnded,
  cohortView,
  hasEnded,
  nextTimeoutMs,
  openRound,
  owedEffects,
  restoreState,
  roundRules,
  runView,
  serializeState,
  step,
} from '@chorale/coordinator';
import type { MemberView } from '@chorale/coordinator';
import type {
  AdminAction,
  Availability,
  Binding,
  JoinedMessage,
  JoinMessage,
  ResolvedRun,
  RunState,
  UpdateReceipt,
} from '@chorale/protocol';
import { ChoraleError, bindingOf, wireError } from '@chorale/protocol';
import type { EngineRow, Store, StoredRun } from '@chorale/store';
import type { TestMetrics } from '../evaluation/testMetrics.ts';
import { measureAdapter } from '../evaluation/testMetrics.ts';
import { identify } from '../identity.ts';
import type { Log } from '../log.ts';
import type { Evaluation } from '../serverParts.ts';
import { aggregateClosedRound } from './aggregateClosedRound.ts';
import { GlobalAdapters } from './globalAdapters.ts';
import { LedgerMirror } from './ledgerMirror.ts';
import { Retries } from './retries.ts';
import type { RunAudience } from './runAudience.ts';
import type { RunEpsilons } from './runEpsilons.ts';
import { UpdateReceiver } from './updateReceiver.ts';

export type RunHostOptions = {
  stored: StoredRun;
  store: Store;
  audience: RunAudience;
  /** Null when the run has no test file. */
  evaluation: Evaluation | null;
  epsilons: RunEpsilons;
  /** Noise in each of the two local counts of a contributor; null when the run asks for none. */
  localCountsNoiseStdDev: number | null;
  timing: RoundTiming;
  log: Log;
  /** Milliseconds since 1970. */
  now?: () => number;
};

/**
 * One run on this server: feeds events to the round engine, stores what changes, and only then carries out the
 * engine's effects. Answers go out before effects: those wait for the next turn of the event loop.
 */
export class RunHost {
  readonly run: ResolvedRun;
  readonly createdAtMs: number;
  readonly epsilons: RunEpsilons;
  readonly ledgers: LedgerMirror;
  readonly #options: RunHostOptions;
  readonly #rules: RoundRules;
  readonly #binding: Binding;
  readonly #adapters: GlobalAdapters;
  readonly #now: () => number;
  #state: EngineState;
  /** What the engine's last step took for now: every time after it is still to come, even if the clock passed it. */
  #steppedAtMs: number;
  #effects: RoundEffect[] = [];
  #drain: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #retries: Retries;
  readonly #updates: UpdateReceiver;
  #closed = false;
  /** Contributor → the connection that speaks for her, and what she said last of being available. */
  readonly #connections = new Map<string, string>();
  readonly #availabilities = new Map<string, Availability>();
  #evaluations = 0;

  constructor(options: RunHostOptions) {
    const { stored } = options;
    this.#options = options;
    this.run = stored.run;
    this.createdAtMs = stored.createdAtMs;
    this.#now = options.now ?? Date.now;
    const { plan, runId } = stored.run;
    this.epsilons = options.epsilons;
    this.ledgers = new LedgerMirror(options.store, { runId, roundCount: plan.config.rounds.count });
    this.#rules = roundRules(plan.config, options.timing);
    this.#binding = bindingOf(stored.run);
    this.#adapters = new GlobalAdapters(options.store, runId, this.#binding);
    this.#updates = new UpdateReceiver({
      runId,
      binding: this.#binding,
      wantsLocalCounts: options.localCountsNoiseStdDev !== null,
      store: options.store,
      ledgers: this.ledgers,
      changed: () => options.audience.changed(runId),
    });
    this.#retries = new Retries((what, error) =>
      options.log('error', `run ${runId}: could not ${what}; trying again`, error),
    );
    this.#steppedAtMs = this.#now();
    this.#state = restoreState(stored.engineState, this.#rules, this.#steppedAtMs);
  }

  /** Goes on where the stored state was. */
  start(): void {
    if (this.ended) return;
    this.#schedule(owedEffects(this.#state));
    const [initial] = this.#options.store.listRecords(this.run.runId);
    if (this.#options.evaluation && initial?.testAccuracy === null) void this.#evaluate(0, 0);
  }

  close(): void {
    this.#closed = true;
    clearImmediate(this.#drain);
    clearTimeout(this.#timer);
    this.#retries.close();
    this.#options.evaluation?.dispose();
  }

  get ended(): boolean {
    return hasEnded(this.#state.durable.phase);
  }

  view(): RunState {
    return { runId: this.run.runId, ...runView(this.#state, this.#rules, this.#now()) };
  }

  members(): MemberView[] {
    return cohortView(this.#state, this.#now());
  }

  /** One who is not there has the availability she had last. */
  presence(contributorId: string): { online: boolean; availability: Availability } {
    return {
      online: this.#state.presence.get(contributorId)?.online === true,
      availability: this.#availabilities.get(contributorId) ?? 'available',
    };
  }

  /* ------------------------------------------------ contributors ------------------------------------------------ */

  /** @throws {ChoraleError} RUN_ENDED, PLAN_CHANGED, MESSAGE_INVALID, IDENTITY_INVALID */
  join(message: JoinMessage, connectionId: string): JoinedMessage {
    assertNotEnded(this.#state);
    const { runId } = this.run;
    if (message.planHash !== this.run.planHash) {
      throw new ChoraleError(
        'PLAN_CHANGED',
        `expected plan ${this.run.planHash}, got ${message.planHash}; reload the page and agree again`,
      );
    }
    if (message.basisHash !== this.run.plan.basisHash) {
      throw new ChoraleError(
        'PLAN_CHANGED',
        `expected the matrices A of this run (${this.run.plan.basisHash}), this device derived others (${message.basisHash}); reload the page, or use another browser`,
      );
    }
    const { availability } = message;
    this.ledgers.check(message.chargedRounds);
    if (message.identity === undefined && message.chargedRounds.length > 0) {
      throw new ChoraleError(
        'MESSAGE_INVALID',
        `chargedRounds: expected none from somebody new, got ${message.chargedRounds.length}; only who proves an identity has a ledger here`,
      );
    }
    const { contributorId, token } = identify(this.#options.store, runId, message.identity, message.backend);
    const chargedRounds = this.ledgers.merge(contributorId, message.chargedRounds);
    this.#dispatch({ type: 'join', contributorId, available: availability === 'available' });
    this.#availabilities.set(contributorId, availability);
    const before = this.#connections.get(contributorId);
    this.#connections.set(contributorId, connectionId);
    if (before !== undefined && before !== connectionId) this.#options.audience.dropConnection(before);
    return { contributorId, token, state: this.view(), chargedRounds };
  }

  setAvailability(contributorId: string, availability: Availability): void {
    this.#dispatch({ type: 'availability', contributorId, available: availability === 'available' });
    if (this.#availabilities.get(contributorId) === availability) return;
    this.#availabilities.set(contributorId, availability);
    this.#options.audience.changed(this.run.runId);
  }

  leave(contributorId: string): void {
    this.#connections.delete(contributorId);
    this.#dispatch({ type: 'leave', contributorId });
  }

  /** A connection ended; it may have been replaced by another before. */
  disconnect(contributorId: string, connectionId: string): void {
    if (this.#closed || this.#connections.get(contributorId) !== connectionId) return;
    this.#connections.delete(contributorId);
    this.#dispatch({ type: 'disconnect', contributorId });
  }

  /**
   * Checks an update, stores it, and returns its receipt: when this returns, the update is durable.
   * @param payload the encoded update as it arrived
   * @throws {ChoraleError} an UPDATE_ code, RUN_ENDED or STORE_ERROR
   */
  receiveUpdate(contributorId: string, round: number, payload: Uint8Array): UpdateReceipt {
    // A deadline that has passed holds, even if its timer is late.
    this.#dispatch({ type: 'tick' });
    return this.#updates.receive(
      { contributorId, round, payload, receivedAtMs: this.#now() },
      {
        state: this.#state,
        count: (id, write) => this.#dispatch({ type: 'update-stored', contributorId: id }, write),
      },
    );
  }

  /* ------------------------------------------------ admin ------------------------------------------------ */

  /** @throws {ChoraleError} RUN_STATE, RUN_ENDED */
  act(action: AdminAction): void {
    this.#dispatch({ type: action });
    this.#options.log('info', `run ${this.run.runId}: ${action} by the admin`);
  }

  /* ------------------------------------------------ engine ------------------------------------------------ */

  /**
   * One engine step: computed, then stored, then taken over. When storing fails nothing has happened.
   * @param write stores more than the engine's state, in one transaction with it
   */
  #dispatch(event: RoundEvent, write?: (engine: EngineRow) => void): void {
    const { store } = this.#options;
    const context = { rules: this.#rules, nowMs: this.#now(), random: randomBelow };
    const { state, effects } = step(this.#state, event, context);
    const save = write ?? ((engine: EngineRow) => store.saveEngine(this.run.runId, engine));
    if (write !== undefined || state.durable !== this.#state.durable) {
      save({ status: state.durable.phase.status, engineState: serializeState(state) });
    }
    const changed = state !== this.#state;
    this.#state = state;
    this.#steppedAtMs = context.nowMs;
    if (changed || effects.length > 0) this.#schedule(effects);
  }

  #schedule(effects: readonly RoundEffect[]): void {
    this.#effects.push(...effects);
    this.#setTimer();
    this.#drain ??= setImmediate(() => {
      this.#drain = undefined;
      for (const effect of this.#effects.splice(0))
        this.#retries.run(`carry out ${effect.type}`, () => this.#carryOut(effect));
      this.#options.audience.changed(this.run.runId);
      this.#releaseEvaluation();
    });
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const timeoutMs = nextTimeoutMs(this.#state, this.#rules, this.#steppedAtMs);
    if (timeoutMs === null) return;
    const tick = () => {
      this.#dispatch({ type: 'tick' });
      // Not before the step is stored: until then it is tried again anyway
      this.#setTimer();
    };
    this.#timer = setTimeout(
      () => this.#retries.run('act on the time', tick),
      Math.max(1, timeoutMs - this.#now()),
    );
  }

  #carryOut(effect: RoundEffect): void {
    const { runId } = this.run;
    const { audience } = this.#options;
    switch (effect.type) {
      case 'start-round': {
        const { round, attempt, adapterVersion, deadlineMs, contributorIds } = effect;
        const open = openRound(this.#state.durable.phase);
        if (open?.round !== round || open.attempt !== attempt) return;
        const timeLeftMs = Math.max(0, deadlineMs - this.#now());
        const adapter = this.#adapters.encoded(adapterVersion);
        // Ahead, so that closing the round need not wait for it; what fails here is asked for again then
        this.epsilons.prepare([this.ledgers.most() + 1], 'urgent').catch(() => undefined);
        for (const contributorId of contributorIds) {
          audience.startRound(contributorId, { runId, round, attempt, adapterVersion, timeLeftMs }, adapter);
        }
        return;
      }
      case 'end-round': {
        const { type: _, contributorIds, ...facts } = effect;
        for (const contributorId of contributorIds) audience.endRound(contributorId, { runId, ...facts });
        return;
      }
      case 'aggregate':
        return this.#closeRound();
      case 'evaluate':
        void this.#evaluate(effect.round, effect.adapterVersion);
        return;
    }
  }

  #closeRound(): void {
    const { phase } = this.#state.durable;
    if (phase.status !== 'aggregating') return;
    const { round } = phase.closed;
    const charged = this.ledgers.most();
    this.#retries.run('aggregate the round', () => this.#aggregate(round, charged));
  }

  /**
   * @param round   that closed
   * @param charged rounds of the contributor who was charged most when it closed: taken once, so that nobody holds the
   *   round up by adding to hers
   */
  #aggregate(round: number, charged: number): void {
    const { phase, adapterVersion } = this.#state.durable;
    if (phase.status !== 'aggregating' || phase.closed.round !== round) return;
    const { store, localCountsNoiseStdDev } = this.#options;
    const { runId, plan } = this.run;
    const aggregate = () => this.#aggregate(round, charged);
    if (!this.epsilons.has(charged)) {
      this.epsilons.prepare([charged], 'urgent').then(
        () => this.#retries.run('aggregate the round', aggregate),
        (error: unknown) => this.#retries.again('price the round', aggregate, error),
      );
      return;
    }
    let aggregated: ReturnType<typeof aggregateClosedRound>;
    try {
      aggregated = aggregateClosedRound({
        closed: phase.closed,
        stored: store.listUpdates(runId, round),
        parameters: this.#adapters.parameters(adapterVersion),
        adapterVersion,
        plan,
        binding: this.#binding,
        localCountsNoiseStdDev,
        spentEpsilon: this.epsilons.of(charged),
        nowMs: this.#now(),
      });
    } catch (error) {
      if (error instanceof ChoraleError && error.code === 'STORE_ERROR') throw error; // tried again
      this.#options.log('error', `run ${runId}: round ${round} could not be aggregated`, error);
      const message = `round ${round} could not be aggregated: ${wireError(error).message}`;
      return this.#dispatch({ type: 'aggregation-failed', message });
    }
    const { parameters, record } = aggregated;
    this.#dispatch({ type: 'aggregated' }, (engine) =>
      store.closeRound(runId, { adapterVersion: record.adapterVersion, parameters }, record, engine),
    );
  }

  /** Measures one adapter version and writes the result into the round's record, whatever the run does meanwhile. */
  async #evaluate(round: number, adapterVersion: number): Promise<void> {
    const { evaluation, log } = this.#options;
    let metrics: TestMetrics | null = null;
    let warning: string | null = null;
    this.#evaluations++;
    try {
      metrics = await measureAdapter(evaluation, this.#adapters.parameters(adapterVersion));
    } catch (error) {
      if (this.#closed) return;
      log('warning', `run ${this.run.runId}: the evaluation of round ${round} failed`, error);
      warning = `the evaluation of round ${round} failed: ${wireError(error).message}`;
    } finally {
      this.#evaluations--;
    }
    this.#retries.run(`store the evaluation of round ${round}`, () =>
      this.#evaluated(round, metrics, warning),
    );
  }

  #evaluated(round: number, metrics: TestMetrics | null, warning: string | null): void {
    const { store, audience } = this.#options;
    const { runId } = this.run;
    const { phase } = this.#state.durable;
    if (phase.status === 'evaluating' && phase.closed.round === round) {
      this.#dispatch({ type: 'evaluated', warning }, (engine) =>
        store.recordEvaluation(runId, round, metrics, engine),
      );
    } else {
      store.recordEvaluation(runId, round, metrics);
    }
    const record = store.listRecords(runId).find((one) => one.round === round);
    if (record) audience.roundRecord(runId, record);
    audience.changed(runId);
    this.#releaseEvaluation();
  }

  /** An ended run measures nothing more: its thread and the model in it can go. */
  #releaseEvaluation(): void {
    if (this.ended && this.#evaluations === 0) this.#options.evaluation?.dispose();
  }
}

function randomBelow(bound: number): number {
  return randomInt(bound);
}
