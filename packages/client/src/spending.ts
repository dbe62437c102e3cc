import type { DpEvent, PrivacyPlan } from '@chorale/privacy';
import { RdpOdometer, roundEpsilonUp, roundEvent } from '@chorale/privacy';
import { canonicalJson } from '@chorale/protocol';
import type { PricedEpsilon } from './accounting.ts';
import { composition } from './accounting.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { chargedAlready } from './ledger.ts';
import type { Limits, ReadingReason } from './state.ts';

/** Which releases: those of the ledger up to a round, and so many rounds more under the plan. */
export type Releases = { upToRound?: number; moreRounds?: number };

/** Asks the accountant; the answer takes tens of milliseconds. */
export type AskEpsilon = (event: DpEvent, delta: number) => Promise<PricedEpsilon>;

/**
 * What a contributor has released in one run, as her ledger holds it, and what it comes to. Each release counts with
 * the event that was written for it, whatever the plan says today.
 */
export class Spending {
  readonly #ledger: Ledger;
  readonly #plan: PrivacyPlan;
  readonly #askEpsilon: AskEpsilon;
  readonly #entries = new Map<number, LedgerEntry>();
  readonly #known = new Map<string, PricedEpsilon>();
  readonly #odometer = new RdpOdometer();
  /** One after the other: two that charge the same round must not both find it free. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ ledger, plan, askEpsilon }: { ledger: Ledger; plan: PrivacyPlan; askEpsilon: AskEpsilon }) {
    this.#ledger = ledger;
    this.#plan = plan;
    this.#askEpsilon = askEpsilon;
  }

  /** @throws {ChoraleError} LEDGER_UNAVAILABLE */
  async load(): Promise<void> {
    for (const entry of await this.#ledger.entries()) this.#count(entry);
  }

  /** In order of rounds. */
  get entries(): LedgerEntry[] {
    return [...this.#entries.values()].toSorted((a, b) => a.round - b.round);
  }

  get chargedRounds(): number[] {
    return this.entries.map(({ round }) => round);
  }

  /** Some update has left, or may have, and no answer to it has come yet. */
  get awaitsAnswer(): boolean {
    return [...this.#entries.values()].some(({ outcome }) => outcome === 'pending');
  }

  entry(round: number): LedgerEntry | undefined {
    return this.#entries.get(round);
  }

  /**
   * Writes a release down, before it leaves.
   * @throws {ChoraleError} LEDGER_UNAVAILABLE, also when the round has an entry; nothing may be sent then
   */
  charge(entry: LedgerEntry): Promise<void> {
    return this.#inTurn(() => this.#charge(entry));
  }

  /** Writes down what became of a release. It counts at once: the server's word is not undone by a disk that is full. */
  async settle(entry: LedgerEntry): Promise<void> {
    this.#entries.set(entry.round, entry);
    await this.#ledger.settle(entry);
  }

  /**
   * Charges the rounds of the server's copy that are missing here: their releases cannot be told from lost ones.
   * @returns those that were missing
   */
  restore(rounds: readonly number[]): Promise<number[]> {
    return this.#inTurn(async () => {
      const missing = rounds.filter((round) => !this.#entries.has(round));
      const event = roundEvent(this.#plan);
      for (const round of missing) {
        await this.#charge({ round, event, payload: null, outcome: 'restored' });
      }
      return missing;
    });
  }

  /** Epsilon at the plan's targetDelta, not rounded; 0 for nothing, Infinity where anything had no protection. */
  async epsilon(releases: Releases = {}): Promise<number> {
    return (await this.price(releases)).epsilon;
  }

  /** The same, with the reason why it is not the tight one. */
  async price(releases: Releases = {}): Promise<PricedEpsilon> {
    const known = this.#knownPrice(releases);
    if (known !== undefined) return known;
    const event = this.#eventOf(releases)!;
    const price = await this.#askEpsilon(event, this.#plan.targetDelta);
    this.#known.set(canonicalJson(event), price);
    return price;
  }

  /**
   * What is spent, at once and rounded up: a looser upper bound (Rényi accounting) until the accountant was asked; null
   * when the run protects nobody.
   */
  liveShownEpsilon(): number | null {
    const known = this.knownShownEpsilon();
    if (known !== undefined) return known;
    return roundEpsilonUp(this.#odometer.epsilon(this.#plan.targetDelta));
  }

  /** Rounded up, as people read it; null when the run protects nobody. */
  async shownEpsilon(releases: Releases = {}): Promise<number | null> {
    return this.#plan.unit === 'none' ? null : roundEpsilonUp(await this.epsilon(releases));
  }

  /** The same at once; undefined when the accountant has yet to be asked. */
  knownShownEpsilon(releases: Releases = {}): number | null | undefined {
    if (this.#plan.unit === 'none') return null;
    const known = this.#knownPrice(releases);
    return known === undefined ? undefined : roundEpsilonUp(known.epsilon);
  }

  /**
   * Which of her own limits forbids one more round.
   * @param roundCount when the ledger holds them all, no limit is needed to end
   */
  async limitReached(
    limits: Limits,
    roundCount: number,
  ): Promise<{ because: ReadingReason; message: string } | null> {
    const { mostRounds, epsilonLimit } = limits;
    const charged = this.#entries.size;
    if (charged >= roundCount) return null;
    if (charged >= mostRounds) {
      const rounds = mostRounds === 1 ? 'the one round' : `the ${mostRounds} rounds`;
      const message = `This device took part in ${rounds} you allow, so it trains no more.`;
      return { because: 'most-rounds', message };
    }
    if (epsilonLimit === null) return null;
    const next = await this.epsilon({ moreRounds: 1 });
    if (next <= epsilonLimit) return null;
    const message = `One more round would bring epsilon to ${roundEpsilonUp(next)}, over the ${epsilonLimit} you allow, so this device trains no more.`;
    return { because: 'epsilon-limit', message };
  }

  async #charge(entry: LedgerEntry): Promise<void> {
    if (this.#entries.has(entry.round)) throw chargedAlready(entry.round);
    await this.#ledger.add(entry);
    this.#count(entry);
  }

  #count(entry: LedgerEntry): void {
    if (this.#entries.has(entry.round)) return;
    this.#entries.set(entry.round, entry);
    this.#odometer.charge(entry.event);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #knownPrice(releases: Releases): PricedEpsilon | undefined {
    const event = this.#eventOf(releases);
    if (event === null) return { epsilon: 0, reason: null };
    if (this.#plan.unit === 'none') return { epsilon: Infinity, reason: null };
    return this.#known.get(canonicalJson(event));
  }

  #eventOf({ upToRound = Infinity, moreRounds = 0 }: Releases): DpEvent | null {
    const events = [...this.#entries.values()]
      .filter(({ round }) => round <= upToRound)
      .map(({ event }) => event);
    for (let i = 0; i < moreRounds; i++) events.push(roundEvent(this.#plan));
    return events.length === 0 ? null : composition(events);
  }
}
