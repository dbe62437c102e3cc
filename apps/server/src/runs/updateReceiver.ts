import { checkUpdate } from '@chorale/coordinator';
import type { EngineState } from '@chorale/coordinator';
import type { Binding, UpdateReceipt } from '@chorale/protocol';
import { ChoraleError, boundRound, decodeUpdate } from '@chorale/protocol';
import type { EngineRow, Store, StoredUpdate } from '@chorale/store';
import { sha256Of } from '../fileStore.ts';
import type { LedgerMirror } from './ledgerMirror.ts';

export type UpdateReceiverOptions = {
  runId: string;
  binding: Binding;
  /** Whether the run asks for local counts; an update that has them unasked, or lacks them, is refused. */
  wantsLocalCounts: boolean;
  store: Store;
  ledgers: LedgerMirror;
  /** Something that pages show has changed. */
  changed: () => void;
};

/** One update as it arrived from a contributor who has proved who she is. */
export type Arrival = {
  contributorId: string;
  /** The round its message names. */
  round: number;
  payload: Uint8Array;
  receivedAtMs: number;
};

/** The run's engine, as far as an update needs it. */
export type UpdateEngine = {
  state: EngineState;
  /** Counts an update; `write` stores it, in one transaction with the engine's state. */
  count(contributorId: string, write: (engine: EngineRow) => void): void;
};

/**
 * Takes in the updates of one run. Whatever is bound to the run's plan and to one of its rounds left a device, so that
 * round is charged, even when its values are refused.
 */
export class UpdateReceiver {
  readonly #options: UpdateReceiverOptions;

  constructor(options: UpdateReceiverOptions) {
    this.#options = options;
  }

  /**
   * Checks an update, stores it, and returns its receipt: when this returns, the update is durable.
   * @throws {ChoraleError} an UPDATE_ code, RUN_ENDED or STORE_ERROR
   */
  receive(arrival: Arrival, engine: UpdateEngine): UpdateReceipt {
    try {
      this.#requireBound(arrival);
      return this.#storeOrCharge(arrival, engine);
    } catch (error) {
      if (error instanceof ChoraleError && error.code.startsWith('UPDATE_'))
        this.#noteRefusal(arrival.contributorId, error);
      throw error;
    }
  }

  /** @throws {ChoraleError} UPDATE_MALFORMED: no update of this run and round, so nothing that its plan could price */
  #requireBound({ round, payload }: Arrival): void {
    const bound = boundRound(payload, this.#options.binding);
    if (bound === round) return;
    throw new ChoraleError(
      'UPDATE_MALFORMED',
      `expected bytes of round ${round}, got those of round ${bound}`,
    );
  }

  #storeOrCharge(arrival: Arrival, engine: UpdateEngine): UpdateReceipt {
    const { contributorId, round } = arrival;
    try {
      return this.#store(arrival, engine);
    } catch (error) {
      // Late, of another cohort, with values that no update has: it counts. An accepted one is charged as it is stored
      if (this.#options.ledgers.charge(contributorId, round)) this.#options.changed();
      throw error;
    }
  }

  #store({ contributorId, round, payload, receivedAtMs }: Arrival, engine: UpdateEngine): UpdateReceipt {
    const { runId, store } = this.#options;
    this.#requireReadable(payload);
    const sha256 = sha256Of(payload);
    const stored = store.getUpdateHash(runId, round, contributorId);
    if (checkUpdate(engine.state, { round, contributorId, sha256 }, stored) === 'duplicate') {
      return { round, duplicate: true };
    }
    const update: StoredUpdate & { receivedAtMs: number } = {
      contributorId,
      bytes: payload,
      sha256,
      receivedAtMs,
    };
    engine.count(contributorId, (row) => store.acceptUpdate(runId, round, update, row));
    return { round, duplicate: false };
  }

  /** @throws {ChoraleError} UPDATE_MALFORMED, UPDATE_SIZE, UPDATE_NOT_FINITE */
  #requireReadable(payload: Uint8Array): void {
    const { binding, wantsLocalCounts } = this.#options;
    const { localCounts } = decodeUpdate(payload, binding);
    if ((localCounts !== null) === wantsLocalCounts) return;
    throw new ChoraleError(
      'UPDATE_MALFORMED',
      `expected an update ${wantsLocalCounts ? 'with' : 'without'} local counts, as the plan says; reload the page to get the current program`,
    );
  }

  #noteRefusal(contributorId: string, { code }: ChoraleError): void {
    const { runId, store, changed } = this.#options;
    if (store.getContributor(runId, contributorId)?.lastRefusal === code) return;
    store.setLastRefusal(runId, contributorId, code);
    changed();
  }
}
