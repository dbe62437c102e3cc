import type { Availability } from '@chorale/protocol';
import type { ConditionWatch, Hold } from './conditions.ts';
import type { Retry } from './runConnection.ts';
import type { Participation } from './state.ts';
import type { StateStore } from './stateStore.ts';

type Reading = Participation & { status: 'reading' };

export type StandingOptions = {
  store: StateStore;
  /** null where no condition holds contributing up. */
  conditions: ConditionWatch | null;
  /** Some update is on its way: whoever goes away when nothing more is to be done must not go yet. */
  awaitsAnswer(): boolean;
  /** Tells the server, when it listens. */
  tell(): void;
};

/** Whether a contributor can be chosen for rounds just now, why not, and what her page shows while nothing is computed. */
export class Standing {
  readonly #options: StandingOptions;
  /** By herself. */
  #paused = false;
  /** By a condition. */
  #hold: Hold | null;
  /** Why the device is being opened again; null when it is not. */
  #recovering: string | null = null;
  /** Which limit of her own was reached; only a new page can change that. */
  #reading: Reading | null = null;
  #joined = false;
  /** null until a connection was lost, and after joining. */
  #lost: Retry | null = null;
  #over = false;

  constructor(options: StandingOptions) {
    this.#options = options;
    this.#hold = options.conditions?.hold ?? null;
  }

  get availability(): Availability {
    if (this.#reading) return 'limit-reached';
    return this.held || this.#recovering !== null ? 'paused' : 'available';
  }

  /** By herself or a condition: nothing is computed. */
  get held(): boolean {
    return this.#paused || this.#hold !== null;
  }

  get reading(): boolean {
    return this.#reading !== null;
  }

  /** @returns whether it is a change */
  pause(paused: boolean): boolean {
    if (this.#over || this.#paused === paused || (paused && this.#reading)) return false;
    this.#paused = paused;
    this.#changed();
    return true;
  }

  /**
   * Looks at the conditions.
   * @returns whether one holds contributing up from now on
   */
  weigh(): boolean {
    const hold = this.#options.conditions?.hold ?? null;
    const before = this.#hold;
    if (this.#over || (hold?.kind === before?.kind && hold?.reason === before?.reason)) return false;
    this.#hold = hold;
    if ((hold === null) === (before === null)) this.show();
    else this.#changed();
    return before === null;
  }

  /** @param reason null: it computes again */
  recover(reason: string | null): void {
    this.#recovering = reason;
    this.#changed();
  }

  read(reading: Reading): void {
    this.#reading = reading;
    this.#options.tell();
  }

  join(): void {
    this.#joined = true;
    this.#lost = null;
  }

  lose(retry: Retry): void {
    this.#joined = false;
    this.#lost = retry;
    // Training goes on without the server; the update is delivered after reconnecting
    if (this.#options.store.state.participation.status !== 'training') this.show();
  }

  /** From now on it shows nothing. */
  end(): void {
    this.#over = true;
  }

  /** Shows what keeps her when nothing is computed. */
  show(): void {
    const shown = this.#over ? null : this.#idle();
    if (shown) this.#options.store.setParticipation(shown);
  }

  #changed(): void {
    this.show();
    this.#options.tell();
  }

  #idle(): Participation | null {
    const { store, awaitsAnswer } = this.#options;
    if (this.#paused) return { status: 'paused', by: 'you', reason: 'you paused' };
    if (this.#hold && !this.#reading)
      return { status: 'paused', by: this.#hold.kind, reason: this.#hold.reason };
    if (this.#recovering !== null) return { status: 'recovering', reason: this.#recovering };
    if (this.#lost) return { status: 'disconnected', ...this.#lost };
    if (!this.#joined || awaitsAnswer()) return null;
    return (
      this.#reading ?? { status: 'waiting', reason: store.state.runState?.reason ?? 'for the next round' }
    );
  }
}
