import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';

/**
 * The server's copy of its contributors' ledgers in one run: the rounds each of them released, or may have. It can
 * only grow: a tab that lost its own copy gets this one back, and the larger of the two counts.
 */
export class LedgerMirror {
  readonly #store: Store;
  readonly #runId: string;
  readonly #roundCount: number;

  constructor(store: Store, { runId, roundCount }: { runId: string; roundCount: number }) {
    this.#store = store;
    this.#runId = runId;
    this.#roundCount = roundCount;
  }

  /** @throws {ChoraleError} MESSAGE_INVALID: a round that this run does not have */
  check(rounds: readonly number[]): void {
    const beyond = rounds.find((round) => round > this.#roundCount);
    if (beyond === undefined) return;
    throw new ChoraleError(
      'MESSAGE_INVALID',
      `chargedRounds: expected rounds from 1 to ${this.#roundCount}, got ${beyond}`,
    );
  }

  /**
   * Takes over what a contributor's own ledger says.
   * @returns all rounds that are charged now, ascending
   */
  merge(contributorId: string, rounds: readonly number[]): number[] {
    const before = this.#store.chargedRounds(this.#runId, contributorId);
    const known = new Set(before);
    const added = [...new Set(rounds)].filter((round) => !known.has(round));
    if (added.length === 0) return before;
    this.#store.chargeRounds(this.#runId, new Map([[contributorId, added]]));
    return [...before, ...added].toSorted((a, b) => a - b);
  }

  /**
   * Charges rounds whose updates arrived, whatever becomes of them: their bytes were released. One transaction.
   * @returns whether any was not charged before
   */
  charge(released: readonly { contributorId: string; round: number }[]): boolean {
    const charges = new Map<string, number[]>();
    for (const { contributorId, round } of released) {
      if (round > this.#roundCount) continue; // of no round of this run, so nothing that its plan could price
      charges.set(contributorId, [...(charges.get(contributorId) ?? []), round]);
    }
    return charges.size > 0 && this.#store.chargeRounds(this.#runId, charges) > 0;
  }

  /** Rounds of the contributor who is charged most; 0 without any. */
  most(): number {
    return this.#store.mostChargedRounds(this.#runId);
  }
}
