import type { Price, PricingUrgency } from '../serverParts.ts';

/** Prices rounds of one run; takes up to seconds. */
export type PriceRounds = (rounds: number, urgency: PricingUrgency) => Promise<Price>;

/**
 * What rounds of one run cost a contributor, by their number. The accountant is too slow for the event loop and for
 * every row of every broadcast: it is asked once for each number, ahead of those who need the answer at once.
 */
export class RunEpsilons {
  readonly #price: PriceRounds | null;
  readonly #known = new Map<number, Price>([[0, { epsilon: 0, reason: null }]]);
  /** Apart, so that who is in a hurry does not wait for a question that lets others go first. */
  readonly #asked = {
    urgent: new Map<number, Promise<void>>(),
    background: new Map<number, Promise<void>>(),
  };

  /** @param price null for a run without protection */
  constructor(price: PriceRounds | null) {
    this.#price = price;
  }

  /** Whether rounds of this run cost anything. */
  get protects(): boolean {
    return this.#price !== null;
  }

  /**
   * Epsilon after so many rounds, rounded up; null when nothing is protected.
   * @throws {RangeError} it has not been prepared
   */
  of(rounds: number): number | null {
    return this.#priceOf(rounds)?.epsilon ?? null;
  }

  /**
   * Why the epsilon after so many rounds is not the tight accountant's, for people; null when it is.
   * @throws {RangeError} it has not been prepared
   */
  noteOf(rounds: number): string | null {
    return this.#priceOf(rounds)?.reason ?? null;
  }

  has(rounds: number): boolean {
    return this.#price === null || this.#known.has(rounds);
  }

  /**
   * Resolves when `of` knows all of these; rejects when the accountant could not be asked, then asks anew next time.
   * @param urgency `urgent` for what a round waits for; never for counts that strangers could make many of
   */
  async prepare(counts: readonly number[], urgency: PricingUrgency): Promise<void> {
    const unknown = counts.filter((rounds) => !this.has(rounds));
    await Promise.all(unknown.map((rounds) => this.#ask(rounds, urgency)));
  }

  #priceOf(rounds: number): Price | null {
    if (this.#price === null) return null;
    const price = this.#known.get(rounds);
    if (price === undefined) throw new RangeError(`epsilon after ${rounds} rounds has not been prepared`);
    return price;
  }

  #ask(rounds: number, urgency: PricingUrgency): Promise<void> {
    const asked = this.#asked[urgency];
    let answer = asked.get(rounds);
    if (answer === undefined) {
      answer = this.#price!(rounds, urgency)
        .then((price) => void this.#known.set(rounds, price))
        .finally(() => asked.delete(rounds));
      asked.set(rounds, answer);
    }
    return answer;
  }
}
