import type { EngineState } from '@chorale/coordinator';
import { checkUpdate } from '@chorale/coordinator';
import type { DecodedUpdate, UpdateReceipt } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Store, StoredUpdate } from '@chorale/store';
import { sha256Of } from '../fileStore.ts';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import type { Arrival } from './arrivalQueue.ts';
import type { EngineDriver } from './engineDriver.ts';
import type { LedgerMirror } from './ledgerMirror.ts';
import type { RefusalNotes } from './refusalNotes.ts';
import type { RoundSum } from './roundSum.ts';
import { retryableStoreError, storedHash } from './storedHash.ts';
import type { UpdateCheck } from './updateCheck.ts';

export type UpdateReceiverOptions = {
  runId: string;
  check: UpdateCheck;
  store: Store;
  engine: EngineDriver;
  sum: RoundSum;
  ledgers: LedgerMirror;
  refusals: RefusalNotes;
  log: Log;
  observer: Observer;
};

type Accepted = StoredUpdate & { round: number; receivedAtMs: number; update: DecodedUpdate };

/** What becomes of an arrival once the transaction of its batch is durable. */
type Decision =
  { kind: 'accepted' } | { kind: 'duplicate' } | { kind: 'refused'; error: unknown; released: boolean };

/**
 * Takes in the updates of one run, a batch at a time: all that one turn of the event loop brought. Each is judged as if
 * it had come alone, in the order of arrival; those that are accepted become durable in one transaction, are added to
 * the round's sum, and only then is anybody answered.
 * Whatever is bound to the run's plan and to one of its rounds left a device, so that round is charged, even when its
 * values are refused.
 */
export class UpdateReceiver {
  readonly #options: UpdateReceiverOptions;

  constructor(options: UpdateReceiverOptions) {
    this.#options = options;
  }

  /**
   * Answers all of them, in at most two transactions: of the accepted ones, and of the charges of the others. When the
   * first fails nothing has changed, and each may be sent again.
   */
  receive(arrivals: readonly Arrival[]): void {
    const { engine, sum } = this.#options;
    let accepted: ReadonlyMap<string, Accepted>;
    let decisions: Decision[];
    try {
      // A deadline that has passed holds, even if its timer is late.
      engine.dispatch({ type: 'tick' });
      const batch = new Batch(this.#options);
      decisions = arrivals.map((arrival) => batch.decide(arrival));
      ({ accepted } = batch);
      if (accepted.size > 0) batch.commit();
    } catch (error) {
      const told = retryableStoreError(error);
      for (const { reject } of arrivals) reject(told);
      return;
    }
    for (const { update } of accepted.values()) sum.add(update);
    const chargeError = this.#charge(arrivals.filter((_, i) => isReleased(decisions[i]!)));
    for (const [i, decision] of decisions.entries()) this.#answer(arrivals[i]!, decision, chargeError);
  }

  /**
   * Late, of another cohort, with values that no update has: it counts. An accepted one is charged as it is stored.
   * @returns why they could not be charged, so that whoever sent them sends them again; undefined when they are
   */
  #charge(released: readonly Arrival[]): unknown {
    const { ledgers, refusals } = this.#options;
    try {
      if (ledgers.charge(released)) refusals.changed();
      return undefined;
    } catch (error) {
      return retryableStoreError(error);
    }
  }

  #answer(
    { round, contributorId, resolve, reject }: Arrival,
    decision: Decision,
    chargeError: unknown,
  ): void {
    if (decision.kind !== 'refused') {
      const receipt: UpdateReceipt = { round, duplicate: decision.kind === 'duplicate' };
      return resolve(receipt);
    }
    if (decision.released && chargeError !== undefined) return reject(chargeError);
    this.#options.refusals.note(contributorId, decision.error);
    reject(decision.error);
  }
}

/** One batch while it is judged. */
class Batch {
  readonly accepted = new Map<string, Accepted>();
  readonly #options: UpdateReceiverOptions;
  #draft: ReturnType<EngineDriver['draft']>;

  constructor(options: UpdateReceiverOptions) {
    this.#options = options;
    this.#draft = options.engine.draft();
  }

  decide(arrival: Arrival): Decision {
    let released = false;
    try {
      const { check } = this.#options;
      check.requireBound(arrival.payload, arrival.round);
      released = true;
      return this.#judge(arrival);
    } catch (error) {
      if (isStoreError(error)) this.#reportUnread(error);
      return { kind: 'refused', error, released };
    }
  }

  commit(): void {
    const { runId, store, engine, sum } = this.#options;
    const updates = [...this.accepted.values()];
    // All of one round: the engine takes updates of no other than the open one
    sum.open(updates[0]!.round);
    engine.commit(this.#draft, (row) => store.acceptUpdates(runId, updates, row));
  }

  #judge({ contributorId, round, payload, receivedAtMs }: Arrival): Decision {
    const { runId, store, check, engine } = this.#options;
    const sha256 = sha256Of(payload);
    const key = `${round}/${contributorId}`;
    const stored = this.accepted.get(key)?.sha256 ?? storedHash(store, runId, round, contributorId);
    const asked = { round, contributorId, sha256 };
    // The same bytes were read when they were accepted
    if (stored !== undefined) return { kind: this.#checked(asked, stored) };
    const update = check.read(payload);
    this.#checked(asked, undefined);
    this.#draft = engine.stepped(this.#draft, { type: 'update-stored', contributorId });
    this.accepted.set(key, { contributorId, bytes: payload, sha256, round, receivedAtMs, update });
    return { kind: 'accepted' };
  }

  /** One damaged row is no reason to refuse what came with this arrival. */
  #reportUnread(error: ChoraleError): void {
    const { log, observer } = this.#options;
    const cause = error.cause instanceof ChoraleError ? error.cause : error;
    log.error({ err: cause }, 'could not look up an update');
    observer.storeFailed(cause.code);
  }

  #checked(update: Parameters<typeof checkUpdate>[1], stored: string | undefined): 'accepted' | 'duplicate' {
    const state: EngineState = this.#draft.state;
    return checkUpdate(state, update, stored) === 'duplicate' ? 'duplicate' : 'accepted';
  }
}

function isReleased(decision: Decision): boolean {
  return decision.kind === 'refused' && decision.released;
}

function isStoreError(error: unknown): error is ChoraleError {
  return error instanceof ChoraleError && error.code.startsWith('STORE_');
}
