import type { ErrorCode, OfferMessage } from '@chorale/protocol';
import { ChoraleError, sha256Hex, wireError } from '@chorale/protocol';
import { retryDelayAfter } from './backoff.ts';
import type { LedgerEntry } from './ledger.ts';
import type { RunConnection } from './runConnection.ts';
import type { Spending } from './spending.ts';
import type { ClientError } from './state.ts';

/** The update itself is good, but its round does not wait for it (now). */
const LATE_CODES: readonly ErrorCode[] = ['UPDATE_WRONG_ROUND', 'UPDATE_NOT_IN_COHORT', 'RUN_ENDED'];

export type DeliveryOptions = {
  connection: RunConnection;
  spending: Spending;
  /** Taking part is over: nothing more is sent. */
  ended(): boolean;
  /** @param trouble why it was not taken the last time; null at the first try */
  onSending(entry: LedgerEntry, payload: Uint8Array, trouble: ClientError | null): void;
  onSettled(entry: LedgerEntry): void;
};

/**
 * Brings updates to the server: each is offered, and sent when the server takes it; the same bytes again until it has
 * answered.
 */
export class UpdateDelivery {
  readonly #options: DeliveryOptions;
  /** Rounds whose update is on its way. */
  readonly #underWay = new Map<number, Promise<void>>();
  readonly #sent = new Set<number>();
  /** One after the other: the server knows one offer of a connection. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Whether its bytes have left in this visit, or may have; they may once it was offered. */
  hasSent(round: number): boolean {
    return this.#sent.has(round);
  }

  /**
   * Sends an update until the server has answered, or the connection is down: whoever connects again takes it up.
   * Without its bytes nothing is sent; what is under way already is not sent twice, but waited for.
   * @throws {ChoraleError} LEDGER_UNAVAILABLE
   */
  deliver(entry: LedgerEntry): Promise<void> {
    const { payload, round } = entry;
    if (!payload) return Promise.resolve();
    const underWay = this.#underWay.get(round);
    if (underWay) return underWay;
    const delivery = this.#sendUntilAnswered(entry, payload).finally(() => this.#underWay.delete(round));
    this.#underWay.set(round, delivery);
    return delivery;
  }

  async #sendUntilAnswered(entry: LedgerEntry, payload: Uint8Array): Promise<void> {
    const { connection, ended, onSending } = this.#options;
    const offer = { round: entry.round, sha256: await sha256Hex(payload), payloadBytes: payload.byteLength };
    let failures = 0;
    let trouble: ClientError | null = null;
    while (!ended()) {
      onSending(entry, payload, trouble);
      this.#sent.add(entry.round);
      const outcome = await this.#inTurn(() => this.#bring(offer, payload)).then(
        () => 'accepted' as const,
        (error: unknown) => {
          const { code, message, retryable } = wireError(error);
          trouble = { code, message };
          if (retryable) return null;
          return LATE_CODES.includes(code) ? 'late' : 'refused';
        },
      );
      if (outcome) {
        await this.#settle(entry, outcome);
        return;
      }
      if (!connection.connected || ended()) return;
      failures += 1;
      onSending(entry, payload, trouble);
      await sleep(retryDelayAfter(trouble!.code, failures));
    }
  }

  /** @throws {ChoraleError} what the server answered, TIMEOUT or DISCONNECTED */
  async #bring(offer: OfferMessage, payload: Uint8Array): Promise<void> {
    const { connection } = this.#options;
    // She may have stopped while others of hers were under way, or while the server made room: nothing more leaves then
    this.#requireGoingOn();
    // A lost acknowledgement: the server has these bytes
    if ((await connection.offerUpdate(offer)) === 'stored') return;
    this.#requireGoingOn();
    await connection.sendUpdate(offer.round, payload);
  }

  /** @throws {ChoraleError} DISCONNECTED */
  #requireGoingOn(): void {
    if (this.#options.ended()) throw new ChoraleError('DISCONNECTED', 'Taking part is over.');
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #settle(entry: LedgerEntry, outcome: 'accepted' | 'late' | 'refused'): Promise<void> {
    // A late update stays: when its round was given up, the next attempt can still take it
    const payload = outcome === 'late' ? entry.payload : null;
    const settled: LedgerEntry = { ...entry, payload, outcome };
    const written = this.#options.spending.settle(settled);
    this.#options.onSettled(settled);
    await written;
  }
}

export function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
