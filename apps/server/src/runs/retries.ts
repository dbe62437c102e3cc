const RETRY_MS = 1000;

/** Work that nobody waits for: when it fails it is done again after a second, since a run must not stand still for it. */
export class Retries {
  readonly #report: (what: string, error: unknown) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;

  /** @param report told of every failure: what could not be done, and why */
  constructor(report: (what: string, error: unknown) => void) {
    this.#report = report;
  }

  /** Does it now, and again until it succeeds. */
  run(what: string, work: () => void): void {
    if (this.#closed) return;
    try {
      work();
    } catch (error) {
      this.again(what, work, error);
    }
  }

  /** It failed with this error: does it again in a while. */
  again(what: string, work: () => void, error: unknown): void {
    if (this.#closed) return;
    // Before anybody is told: whatever a report does, the work is done again
    this.later(what, work, RETRY_MS);
    try {
      this.#report(what, error);
    } catch {
      // Nobody can be told of this either
    }
  }

  /** Does it so many milliseconds from now, and again until it succeeds. */
  later(what: string, work: () => void, delayMs: number): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.run(what, work);
    }, delayMs);
    this.#timers.add(timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
