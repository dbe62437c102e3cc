import type { ErrorCode } from '@chorale/protocol';
import { wireError } from '@chorale/protocol';
import type { LedgerEntry } from './ledger.ts';
import type { RunConnection } from './runConnection.ts';
import type { Spending } from './spending.ts';

const RETRY_DELAY_MS = 2_000;

/** The update itself is good, but its round does not wait for it (now). */
const LATE_CODES: readonly ErrorCode[] = ['UPDATE_WRONG_ROUND', 'UPDATE_NOT_IN_COHORT', 'RUN_ENDED'];

export type DeliveryOptions = {
  connection: RunConnection;
  spending: Spending;
  /** Taking part is over: nothing more is sent. */
  ended(): boolean;
  onSending(entry: LedgerEntry, payload: Uint8Array): void;
  onSettled(entry: LedgerEntry): void;
};

/** Brings updates to the server: the same bytes again until it has answered. */
export class UpdateDelivery {
  readonly #options: DeliveryOptions;
  /** Rounds whose update is on its way. */
  readonly #underWay = new Map<number, Promise<void>>();
  readonly #sent = new Set<number>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Whether its bytes have left in this visit, or may have. */
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
    while (!ended()) {
      onSending(entry, payload);
      this.#sent.add(entry.round);
      const outcome = await connection.sendUpdate(entry.round, payload).then(
        () => 'accepted' as const,
        (error: unknown) => {
          const { code, retryable } = wireError(error);
          if (retryable) return null;
          return LATE_CODES.includes(code) ? 'late' : 'refused';
        },
      );
      if (outcome) {
        await this.#settle(entry, outcome);
        return;
      }
      if (!connection.connected) return;
      await sleep(RETRY_DELAY_MS);
    }
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
