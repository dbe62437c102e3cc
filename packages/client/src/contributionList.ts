import type { LedgerEntry } from './ledger.ts';
import type { Releases, Spending } from './spending.ts';
import type { Contribution } from './state.ts';
import type { StateStore } from './stateStore.ts';

/** What the page shows of the rounds a contributor took part in, and of what they cost her. */
export class ContributionList {
  readonly #store: StateStore;
  readonly #spending: Spending;
  readonly #payloadBytes: number;
  #pricing = false;

  constructor(store: StateStore, spending: Spending, payloadBytes: number) {
    this.#store = store;
    this.#spending = spending;
    this.#payloadBytes = payloadBytes;
  }

  has(round: number): boolean {
    return this.#find(round) !== undefined;
  }

  show(round: number, outcome: Contribution['outcome']): void {
    const payloadBytes = this.#payloadBytes;
    const known = this.#spending.knownShownEpsilon(releasesOf({ round, outcome }));
    this.#store.setContribution(round, { outcome, spentEpsilon: known ?? null, payloadBytes });
    if (known === undefined) void this.#price();
  }

  showEntry({ round, outcome }: LedgerEntry): void {
    this.show(round, outcome === 'pending' ? 'sending' : outcome);
  }

  /** @throws {ChoraleError} DEVICE_ERROR */
  async showSpent(): Promise<void> {
    this.#store.set({ spentEpsilon: await this.#spending.shownEpsilon() });
  }

  /** One question to the accountant after the other: what matters more must not wait behind a long list. */
  async #price(): Promise<void> {
    if (this.#pricing) return;
    this.#pricing = true;
    try {
      for (;;) {
        const next = this.#store.state.contributions.find(({ spentEpsilon }) => spentEpsilon === null);
        if (!next) return;
        const spentEpsilon = await this.#spending.shownEpsilon(releasesOf(next));
        const now = this.#find(next.round);
        if (now?.outcome === next.outcome) this.#store.setContribution(next.round, { ...now, spentEpsilon });
      }
    } catch (error) {
      console.error('What a round cost could not be computed; it is not shown.', error);
    } finally {
      this.#pricing = false;
    }
  }

  #find(round: number): Contribution | undefined {
    return this.#store.state.contributions.find((one) => one.round === round);
  }
}

/** A round under way will cost; what one given up half way computed never left and costs nothing. */
function releasesOf({ round, outcome }: Pick<Contribution, 'round' | 'outcome'>): Releases {
  return { upToRound: round, moreRounds: outcome === 'computing' ? 1 : 0 };
}
