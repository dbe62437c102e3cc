import { randomInt } from 'node:crypto';
import type {
  EngineState,
  RoundEffect,
  RoundEvent,
  RoundRules,
  StepContext,
  TransitionName,
} from '@chorale/coordinator';
import { hasEnded, nextTimeoutMs, openRound, serializeState, step } from '@chorale/coordinator';
import { ChoraleError } from '@chorale/protocol';
import type { EngineRow, Store } from '@chorale/store';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import { Retries } from './retries.ts';

export type EngineDriverOptions = {
  runId: string;
  store: Store;
  rules: RoundRules;
  /** As restored; nobody else steps it. */
  state: EngineState;
  /** Whole milliseconds since 1970, never going back. */
  now: () => number;
  log: Log;
  observer: Observer;
  /** Whether the bytes of updates stay when the run ends. */
  keepUpdates: boolean;
  /** Does what the engine asks for; what it throws is tried again. */
  carryOut: (effect: RoundEffect) => void;
  /** Something that pages show has changed; called behind the effects. */
  changed: () => void;
};

/** Steps of the engine that are computed and neither stored nor taken over. */
export type EngineDraft = {
  readonly state: EngineState;
  readonly nowMs: number;
  readonly effects: readonly RoundEffect[];
  readonly transitions: readonly TransitionName[];
};

/**
 * Runs the pure round engine of one run: every step is computed, then stored, then taken over, and only then are its
 * effects carried out. When storing fails nothing has happened. Answers go out before effects: those wait for the next
 * turn of the event loop.
 */
export class EngineDriver {
  readonly retries: Retries;
  readonly #options: EngineDriverOptions;
  #state: EngineState;
  /** What the last step took for now: every time after it is still to come, even if the clock passed it. */
  #steppedAtMs: number;
  #effects: RoundEffect[] = [];
  #drain: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #parked = false;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(options: EngineDriverOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#steppedAtMs = options.now();
    this.retries = new Retries((what, error) =>
      options.log.error({ err: error }, `could not ${what}; trying again`),
    );
  }

  get state(): EngineState {
    return this.#state;
  }

  /** Starts the clock. @param owed effects that a crash may have left undone */
  start(owed: readonly RoundEffect[]): void {
    this.#schedule(owed);
  }

  /** Nothing starts by itself any more; what is under way goes on. */
  park(): void {
    this.#parked = true;
    clearTimeout(this.#timer);
  }

  close(): void {
    this.park();
    clearImmediate(this.#drain);
    this.retries.close();
    this.#settled?.resolve();
  }

  /** Resolves when no closed round waits for its aggregate. */
  settled(): Promise<void> {
    if (this.#state.durable.phase.status !== 'aggregating') return Promise.resolve();
    this.#settled ??= Promise.withResolvers();
    return this.#settled.promise;
  }

  /** Where steps that are stored together begin. */
  draft(): EngineDraft {
    return { state: this.#state, nowMs: this.#options.now(), effects: [], transitions: [] };
  }

  /** @throws {ChoraleError} the event is not possible now; the draft is as it was */
  stepped(draft: EngineDraft, event: RoundEvent): EngineDraft {
    const context: StepContext = { rules: this.#options.rules, nowMs: draft.nowMs, random: randomBelow };
    const { state, effects, transitions } = step(draft.state, event, context);
    return {
      state,
      nowMs: draft.nowMs,
      effects: [...draft.effects, ...effects],
      transitions: [...draft.transitions, ...transitions],
    };
  }

  /**
   * Stores a draft that began at the present state, and takes it over.
   * @param write stores more than the engine's state, in one transaction with it; told null when that did not change
   * @throws {ChoraleError} a STORE_ code; nothing has happened then
   */
  commit(draft: EngineDraft, write?: (engine: EngineRow | null) => void): void {
    const { runId, store, observer } = this.#options;
    const { state, effects } = draft;
    const { durable } = state;
    const engine =
      durable === this.#state.durable
        ? null
        : {
            status: durable.phase.status,
            engineState: serializeState(state),
            dropUpdates: hasEnded(durable.phase) && !this.#options.keepUpdates,
          };
    try {
      if (write !== undefined) write(engine);
      else if (engine !== null) store.saveEngine(runId, engine);
    } catch (error) {
      if (error instanceof ChoraleError && error.code.startsWith('STORE_')) observer.storeFailed(error.code);
      throw error;
    }
    const before = this.#state;
    this.#state = state;
    this.#steppedAtMs = draft.nowMs;
    if (state !== before || effects.length > 0) this.#schedule(effects);
    if (state.durable.phase.status !== 'aggregating') {
      this.#settled?.resolve();
      this.#settled = undefined;
    }
    try {
      this.#tell(before, draft);
    } catch {
      // It has happened, whoever could not be told of it
    }
  }

  /** One step, stored and taken over. @throws {ChoraleError} as `stepped` and `commit` */
  dispatch(event: RoundEvent, write?: (engine: EngineRow | null) => void): void {
    this.commit(this.stepped(this.draft(), event), write);
  }

  #tell(before: EngineState, { state, nowMs, transitions }: EngineDraft): void {
    const { runId, log, observer } = this.#options;
    if (transitions.length === 0) return;
    const { status } = state.durable.phase;
    log.info({ transitions, round: roundOf(state) ?? roundOf(before), status }, 'the run went on');
    if (!transitions.some((name) => name === 'round-abandoned' || name === 'round-parked')) return;
    const startedAtMs = openRound(before.durable.phase)?.startedAtMs ?? nowMs;
    observer.roundClosed(runId, 'abandoned', Math.max(0, nowMs - startedAtMs) / 1000);
  }

  #schedule(effects: readonly RoundEffect[]): void {
    this.#effects.push(...effects);
    this.#setTimer();
    this.#drain ??= setImmediate(() => {
      this.#drain = undefined;
      for (const effect of this.#effects.splice(0))
        this.retries.run(`carry out ${effect.type}`, () => this.#options.carryOut(effect));
      this.#options.changed();
    });
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    if (this.#parked) return;
    const { rules, now } = this.#options;
    const timeoutMs = nextTimeoutMs(this.#state, rules, this.#steppedAtMs);
    if (timeoutMs === null) return;
    const tick = () => {
      this.dispatch({ type: 'tick' });
      // Not before the step is stored: until then it is tried again anyway
      this.#setTimer();
    };
    this.#timer = setTimeout(() => this.retries.run('act on the time', tick), Math.max(1, timeoutMs - now()));
  }
}

/** The round a state is about, for the log; undefined between rounds. */
function roundOf({ durable: { phase } }: EngineState): number | undefined {
  const open = openRound(phase);
  if (open) return open.round;
  return phase.status === 'aggregating' || phase.status === 'evaluating' ? phase.closed.round : undefined;
}

function randomBelow(bound: number): number {
  return randomInt(bound);
}
