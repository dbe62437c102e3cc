/** Prices rounds of one run; takes up to seconds. */
export type PriceRounds = (rounds: number) => Promise<number>;

/**
 * What rounds of one run cost a contributor, by their number. The accountant is too slow for the event loop and for
 * every row of every broadcast: it is asked once for each number, ahead of those who need the answer at once.
 */
export class RunEpsilons {
  readonly #price: PriceRounds | null;
  readonly #known = new Map<number, number>([[0, 0]]);
  readonly #asked = new Map<number, Promise<void>>();

  /** @param price null for a run without protection */
  constructor(price: PriceRounds | null) {
    this.#price = price;
  }

  /**
   * Epsilon after so many rounds, rounded up; null when nothing is protected.
   * @throws {RangeError} it has not been prepared
   */
  of(rounds: number): number | null {
    if (this.#price === null) return null;
    const epsilon = this.#known.get(rounds);
    if (epsilon === undefined) throw new RangeError(`epsilon after ${rounds} rounds has not been prepared`);
    return epsilon;
  }

  has(rounds: number): boolean {
    return this.#price === null || this.#known.has(rounds);
  }

  /** Resolves when `of` knows all of these; rejects when the accountant could not be asked, then asks anew next time. */
  async prepare(counts: readonly number[]): Promise<void> {
    await Promise.all(counts.filter((rounds) => !this.has(rounds)).map((rounds) => this.#ask(rounds)));
  }

  #ask(rounds: number): Promise<void> {
    let asked = this.#asked.get(rounds);
    if (asked === undefined) {
      asked = this.#price!(rounds)
        .then((epsilon) => void this.#known.set(rounds, epsilon))
        .finally(() => this.#asked.delete(rounds));
      this.#asked.set(rounds, asked);
    }
    return asked;
  }
}
