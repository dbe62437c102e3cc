import type { MemberView, RoundEffect, RoundRules, RoundTiming } from '@chorale/coordinator';
import {
  cohortView,
  hasEnded,
  openRound,
  owedEffects,
  restoreState,
  roundRules,
  runView,
} from '@chorale/coordinator';
import type {
  AdminAction,
  Availability,
  ErrorCode,
  Handshake,
  JoinedMessage,
  JoinMessage,
  OfferAnswer,
  OfferMessage,
  ResolvedRun,
  RunState,
  UpdateReceipt,
} from '@chorale/protocol';
import { ChoraleError, bindingOf, largestUpdateBytes } from '@chorale/protocol';
import type { Store, StoredRun } from '@chorale/store';
import type { Who } from '../access/admission.ts';
import { admit } from '../access/admission.ts';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import type { Evaluation } from '../serverParts.ts';
import { ArrivalQueue } from './arrivalQueue.ts';
import { EngineDriver } from './engineDriver.ts';
import { GlobalAdapters } from './globalAdapters.ts';
import { LedgerMirror } from './ledgerMirror.ts';
import { OfferCheck } from './offerCheck.ts';
import { RefusalNotes } from './refusalNotes.ts';
import { RoundCloser } from './roundCloser.ts';
import { RoundEvaluations } from './roundEvaluations.ts';
import { RoundSum } from './roundSum.ts';
import type { RunAudience } from './runAudience.ts';
import { RunContributors } from './runContributors.ts';
import type { RunEpsilons } from './runEpsilons.ts';
import { UpdateCheck } from './updateCheck.ts';
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
  /** Whether the bytes of a round's updates stay when it is aggregated. */
  keepUpdates: boolean;
  /** How long a closed round waits for its price; then its record is stored without. */
  priceLimitMs?: number | undefined;
  /** Its lines carry the run's id. */
  log: Log;
  observer: Observer;
  /** Whole milliseconds since 1970, never going back. */
  now: () => number;
};

/** Bytes of updates that may wait for their transaction; decoded they take up to four times as much. */
const QUEUE_BYTES = 64 * 2 ** 20;

/** One run on this server, as sockets and routes see it: who takes part, what they send, what the admin wants. */
export class RunHost {
  readonly run: ResolvedRun;
  readonly createdAtMs: number;
  readonly epsilons: RunEpsilons;
  readonly ledgers: LedgerMirror;
  readonly #options: RunHostOptions;
  readonly #rules: RoundRules;
  readonly #adapters: GlobalAdapters;
  readonly #engine: EngineDriver;
  readonly #contributors: RunContributors;
  readonly #sum: RoundSum;
  readonly #offers: OfferCheck;
  readonly #refusals: RefusalNotes;
  readonly #queue: ArrivalQueue;
  readonly #closer: RoundCloser;
  readonly #evaluations: RoundEvaluations;
  #parked = false;
  /** The attempt whose price was asked for ahead. */
  #priced: { round: number; attempt: number } | undefined;

  /** @throws {ChoraleError} STORE_ERROR, STORE_DAMAGED: the stored state cannot be read */
  constructor(options: RunHostOptions) {
    const { stored, store, epsilons, log, observer, now } = options;
    const { runId, plan } = stored.run;
    const binding = bindingOf(stored.run);
    this.#options = options;
    this.run = stored.run;
    this.createdAtMs = stored.createdAtMs;
    this.epsilons = epsilons;
    this.#rules = roundRules(plan.config, options.timing);
    const shared = { runId, plan, binding, store, epsilons, log, observer, now };
    const changed = () => options.audience.changed(runId);
    const ledgers = new LedgerMirror(store, { runId, roundCount: plan.config.rounds.count });
    const adapters = new GlobalAdapters(store, runId, binding);
    const sum = new RoundSum(shared);
    const engine = new EngineDriver({
      ...shared,
      keepUpdates: options.keepUpdates,
      rules: this.#rules,
      state: restoreState(stored.engineState, this.#rules, now(), (round) =>
        store.receivedContributors(runId, round),
      ),
      carryOut: (effect) => this.#carryOut(effect),
      changed: () => {
        changed();
        if (this.ended) this.#release();
      },
    });
    const check = new UpdateCheck(plan, binding, options.localCountsNoiseStdDev);
    const refusals = new RefusalNotes({ ...shared, changed });
    const receiver = new UpdateReceiver({ ...shared, check, engine, sum, ledgers, refusals });
    this.ledgers = ledgers;
    this.#refusals = refusals;
    this.#adapters = adapters;
    this.#sum = sum;
    this.#engine = engine;
    this.#contributors = new RunContributors({ ...options, run: stored.run, engine, ledgers });
    this.#offers = new OfferCheck({ ...shared, engine, refusals });
    this.#queue = new ArrivalQueue({
      ...shared,
      limitBytes: Math.max(QUEUE_BYTES, 2 * largestUpdateBytes(plan)),
      receive: (arrivals) => receiver.receive(arrivals),
    });
    this.#closer = new RoundCloser({ ...options, ...shared, engine, sum, ledgers });
    this.#evaluations = new RoundEvaluations({ ...options, ...shared, engine, adapters });
    // Before anybody can reach this run, who would wait for it
    const open = openRound(engine.state.durable.phase);
    if (open) sum.open(open.round);
  }

  /** Goes on where the stored state was. */
  start(): void {
    this.#closer.fillInEpsilons();
    if (this.ended) return;
    this.#engine.start(owedEffects(this.#engine.state));
    this.#evaluations.measureStart();
  }

  /**
   * Takes nothing more in, answers what is waiting, and starts nothing by itself. Whatever it was in the middle of is
   * stored; the next start goes on with it.
   * @returns resolves when no round waits for its aggregate
   */
  park(): Promise<void> {
    this.#parked = true;
    this.#queue.park();
    this.#evaluations.park();
    this.#engine.park();
    return this.#engine.settled();
  }

  close(): void {
    this.#parked = true;
    this.#queue.park();
    this.#engine.close();
    this.#evaluations.close();
    this.#refusals.close();
  }

  /** An ended run needs no model, and no sum, in memory. */
  #release(): void {
    this.#sum.forget();
    this.#evaluations.release();
  }

  get ended(): boolean {
    return hasEnded(this.#engine.state.durable.phase);
  }

  view(): RunState {
    return { runId: this.run.runId, ...runView(this.#engine.state, this.#rules, this.#options.now()) };
  }

  members(): MemberView[] {
    return cohortView(this.#engine.state, this.#options.now());
  }

  /** One who is not there has the availability she had last. */
  presence(contributorId: string): { online: boolean; availability: Availability } {
    return this.#contributors.presence(contributorId);
  }

  /** What her last update was refused for, since this server started. */
  lastRefusal(contributorId: string): ErrorCode | undefined {
    return this.#refusals.of(contributorId);
  }

  /* ------------------------------------------------ contributors ------------------------------------------------ */

  /**
   * What a handshake proves of who opens a socket to this run.
   * @throws {ChoraleError} IDENTITY_INVALID, INVITE_REQUIRED, INVITE_INVALID
   */
  admit(handshake: Handshake): Who {
    return admit(this.#options.store, this.run, handshake, Date.now());
  }

  /** @throws {ChoraleError} SERVER_CLOSING, RUN_ENDED, PLAN_CHANGED, MESSAGE_INVALID, INVITE_REQUIRED, INVITE_INVALID */
  join(who: Who, message: JoinMessage, connectionId: string): JoinedMessage {
    if (this.#parked)
      throw new ChoraleError('SERVER_CLOSING', 'the server is being stopped; join again then');
    return { ...this.#contributors.join(who, message, connectionId), state: this.view() };
  }

  setAvailability(contributorId: string, availability: Availability): void {
    this.#contributors.setAvailability(contributorId, availability);
  }

  leave(contributorId: string): void {
    this.#contributors.leave(contributorId);
  }

  /** A connection ended; it may have been replaced by another before. */
  disconnect(contributorId: string, connectionId: string): void {
    // One that the server itself ends says nothing about the contributor
    if (!this.#parked) this.#contributors.disconnect(contributorId, connectionId);
  }

  /**
   * What an update would be answered, as far as its bytes are not needed; `send` when they are.
   * @throws {ChoraleError} SERVER_CLOSING, RUN_ENDED, a STORE_ code, or the UPDATE_ code that it would get
   */
  weighOffer(contributorId: string, offer: OfferMessage): OfferAnswer {
    if (this.#parked)
      throw new ChoraleError('SERVER_CLOSING', 'the server is being stopped; offer it again then');
    return this.#offers.answer(contributorId, offer);
  }

  /**
   * Resolves with the receipt when the update is durable.
   * @param payload the encoded update as it arrived; not changed by anybody until this is settled
   * @throws {ChoraleError} (rejects) an UPDATE_ code, RUN_ENDED, RATE_LIMITED, SERVER_CLOSING or a STORE_ code
   */
  receiveUpdate(contributorId: string, round: number, payload: Uint8Array): Promise<UpdateReceipt> {
    return this.#queue.push(contributorId, round, payload);
  }

  /* ------------------------------------------------ admin and effects ------------------------------------------------ */

  /** @throws {ChoraleError} RUN_STATE, RUN_ENDED */
  act(action: AdminAction): void {
    this.#engine.dispatch({ type: action });
    this.#options.log.info({ action }, 'the admin acted');
  }

  #carryOut(effect: RoundEffect): void {
    switch (effect.type) {
      case 'start-round':
        return this.#startRound(effect);
      case 'end-round': {
        const { type: _, contributorIds, ...facts } = effect;
        const message = { runId: this.run.runId, ...facts };
        return this.#options.audience.endRound(contributorIds, message);
      }
      case 'aggregate':
        return this.#closer.close();
      case 'evaluate':
        return this.#evaluations.measure(effect.round, effect.adapterVersion);
    }
  }

  #startRound({
    round,
    attempt,
    adapterVersion,
    deadlineMs,
    contributorIds,
  }: RoundEffect & { type: 'start-round' }): void {
    const open = openRound(this.#engine.state.durable.phase);
    if (open?.round !== round || open.attempt !== attempt) return;
    const timeLeftMs = Math.max(0, deadlineMs - this.#options.now());
    const adapter = this.#adapters.encoded(adapterVersion);
    if (this.#priced?.round !== round || this.#priced.attempt !== attempt) {
      this.#priced = { round, attempt };
      // Ahead, so that closing the round need not wait for it; what fails here is asked for again then
      this.epsilons.prepare([this.ledgers.most() + 1], 'urgent').catch(() => undefined);
    }
    const message = { runId: this.run.runId, round, attempt, adapterVersion, timeLeftMs };
    this.#options.audience.startRound(contributorIds, message, adapter);
  }
}
