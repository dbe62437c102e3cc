import type { ErrorCode } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Log } from '../log.ts';

/** Nothing is wrong with an update that is late, or of one who was not chosen. */
const LATE_CODES: readonly ErrorCode[] = ['UPDATE_WRONG_ROUND', 'UPDATE_NOT_IN_COHORT'];
/** The store gets what was noted since at most so often: who alternates between two sorts of nonsense costs no more. */
const WRITE_MS = 5_000;

export type RefusalNotesOptions = {
  runId: string;
  store: Pick<Store, 'setLastRefusals'>;
  log: Log;
  /** Something that pages show has changed. */
  changed: () => void;
};

/**
 * What each contributor's last refused update was refused for, as the admin page shows it. Pages see a note at once, the
 * store gets it a moment later.
 */
export class RefusalNotes {
  /** Something that pages show has changed. */
  readonly changed: () => void;
  readonly #options: RefusalNotesOptions;
  /** Since the start. */
  readonly #noted = new Map<string, ErrorCode>();
  #unwritten = new Map<string, ErrorCode>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RefusalNotesOptions) {
    this.#options = options;
    this.changed = options.changed;
  }

  /** @param error of any kind; only what is wrong with an update is noted */
  note(contributorId: string, error: unknown): void {
    if (!(error instanceof ChoraleError) || !error.code.startsWith('UPDATE_')) return;
    if (LATE_CODES.includes(error.code) || this.#noted.get(contributorId) === error.code) return;
    this.#noted.set(contributorId, error.code);
    this.#unwritten.set(contributorId, error.code);
    if (!this.#closed) this.#timer ??= setTimeout(() => this.#write(), WRITE_MS);
    this.changed();
  }

  /** What was noted since the start; undefined: what is stored holds. */
  of(contributorId: string): ErrorCode | undefined {
    return this.#noted.get(contributorId);
  }

  /** Writes what is not written yet. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#unwritten.size > 0) this.#write();
  }

  #write(): void {
    const { store, runId, log } = this.#options;
    const codes = this.#unwritten;
    this.#unwritten = new Map();
    this.#timer = undefined;
    try {
      store.setLastRefusals(runId, codes);
    } catch (error) {
      // With the next ones: pages show them all the same
      this.#unwritten = codes;
      log.warn({ err: error }, 'could not store what updates were refused for');
    }
  }
}
