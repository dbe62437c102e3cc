import type { LimitedRun, LimitsAccountant } from './ownLimits.ts';
import { limitsOfPlan, problemAtOnce, viewOfLimits } from './ownLimits.ts';
import type { Limits } from './state.ts';
import type { StateStore } from './stateStore.ts';
import { clientError } from './stateStore.ts';

/**
 * Which limits hold in one visit, each by itself: what she named in it, else what her ledger has kept, else just what
 * the whole plan asks for.
 */
export class VisitLimits {
  readonly #store: StateStore;
  readonly #accountant: LimitsAccountant;
  #named: Partial<Limits>;
  #run: LimitedRun | null = null;
  #known: Promise<void> = Promise.resolve();

  /** @param named what she has named before the page did anything */
  constructor(store: StateStore, accountant: LimitsAccountant, named: Partial<Limits>) {
    this.#store = store;
    this.#accountant = accountant;
    this.#named = named;
  }

  /** Resolves when it is known what the limits that were shown last come to. */
  get known(): Promise<void> {
    return this.#known;
  }

  /** @param kept those of her ledger; null when it has none, or cannot be read yet */
  load(run: LimitedRun, kept: Limits | null): void {
    this.#run = run;
    this.#show(this.#limitsOver(run, kept));
  }

  /** Takes over what the ledger has kept by now: another tab may have changed it since this one was loaded. */
  async takeOver(kept: Limits | null): Promise<void> {
    if (!this.#run) return;
    const limits = this.#limitsOver(this.#run, kept);
    if (!sameLimits(limits, this.#store.state.limits?.limits)) this.#show(limits);
    await this.#known;
  }

  /** She names them: those that differ from what was shown are hers. */
  name(limits: Limits): void {
    const shown = this.#store.state.limits?.limits;
    if (!this.#run || !shown) return;
    const changed = FIELDS.filter((field) => field in this.#named || limits[field] !== shown[field]);
    this.#named = { ...this.#named, ...Object.fromEntries(changed.map((field) => [field, limits[field]])) };
    this.#show(limits);
  }

  #limitsOver(run: LimitedRun, kept: Limits | null): Limits {
    return { ...limitsOfPlan(run), ...kept, ...this.#named };
  }

  #show(limits: Limits): void {
    const problem = problemAtOnce(limits, this.#run!);
    this.#store.set({ limits: { limits, problem, roundsAllowed: problem ? 0 : null } });
    this.#known = problem ? Promise.resolve() : this.#showAllowed(limits, this.#run!);
  }

  async #showAllowed(limits: Limits, run: LimitedRun): Promise<void> {
    const view = await viewOfLimits(limits, run, this.#accountant).catch((error: unknown) => ({
      limits,
      problem: clientError(error),
      roundsAllowed: 0,
    }));
    // Others may have been set meanwhile
    if (this.#store.state.limits?.limits === limits) this.#store.set({ limits: view });
  }
}

const FIELDS = ['epsilonLimit', 'leastNoiseMultiplier', 'mostRounds'] as const satisfies (keyof Limits)[];

function sameLimits(limits: Limits, others: Limits | undefined): boolean {
  return others !== undefined && FIELDS.every((field) => limits[field] === others[field]);
}
