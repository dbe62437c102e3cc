import type { RunPlan } from '@chorale/protocol';
import { updateBytes } from '@chorale/protocol';
import type { LedgerEntry } from './ledger.ts';
import type { Releases, Spending } from './spending.ts';
import type { Contribution } from './state.ts';
import type { StateStore } from './stateStore.ts';

/** What the page shows of the rounds a contributor took part in, and of what they cost her. */
export class ContributionList {
  readonly #store: StateStore;
  readonly #spending: Spending;
  readonly #plan: RunPlan;
  #pricing = false;

  constructor(store: StateStore, spending: Spending, plan: RunPlan) {
    this.#store = store;
    this.#spending = spending;
    this.#plan = plan;
  }

  show(round: number, outcome: Contribution['outcome']): void {
    const payloadBytes = updateBytes(this.#plan, round);
    const known = this.#spending.knownShownEpsilon(this.#releasesOf({ round, outcome }));
    this.#store.setContribution(round, { outcome, spentEpsilon: known ?? null, payloadBytes });
    if (known === undefined) void this.#price();
  }

  showEntry({ round, outcome }: LedgerEntry): void {
    this.show(round, outcome === 'pending' ? 'sending' : outcome);
  }

  /** Taking part is over: what was under way will not go on. */
  end(): void {
    for (const { round, outcome } of this.#store.state.contributions) {
      if (outcome !== 'computing' && outcome !== 'sending') continue;
      const entry = this.#spending.entry(round);
      if (entry && entry.outcome !== 'pending') this.showEntry(entry);
      else if (outcome === 'sending') this.show(round, 'unanswered');
      else this.show(round, entry ? 'unsent' : 'abandoned');
    }
  }

  /** @throws {ChoraleError} DEVICE_ERROR */
  async showSpent(): Promise<void> {
    this.#store.set({ spentEpsilon: this.#spending.liveShownEpsilon() });
    const { reason } = await this.#spending.price();
    this.#store.set({
      spentEpsilon: this.#spending.liveShownEpsilon(),
      ...(reason === null ? {} : { accountingNote: reason }),
    });
  }

  /** One question to the accountant after the other: what matters more must not wait behind a long list. */
  async #price(): Promise<void> {
    if (this.#pricing) return;
    this.#pricing = true;
    try {
      for (;;) {
        const next = this.#store.state.contributions.find(({ spentEpsilon }) => spentEpsilon === null);
        if (!next) return;
        const spentEpsilon = await this.#spending.shownEpsilon(this.#releasesOf(next));
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

  /** A round under way will cost, once; what one given up half way computed never left and costs nothing. */
  #releasesOf({ round, outcome }: Pick<Contribution, 'round' | 'outcome'>): Releases {
    const toCome = outcome === 'computing' && !this.#spending.entry(round);
    return { upToRound: round, moreRounds: toCome ? 1 : 0 };
  }
}
