import type { ErrorCode } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';

/** What each contributor's last refused update was refused for, as the admin page shows it. */
export class RefusalNotes {
  /** Something that pages show has changed. */
  readonly changed: () => void;
  readonly #store: Pick<Store, 'setLastRefusal'>;
  readonly #runId: string;
  /** What is stored, as far as it was noted since the start: who sends the same nonsense again costs no transaction. */
  readonly #noted = new Map<string, ErrorCode>();

  constructor(store: Pick<Store, 'setLastRefusal'>, runId: string, changed: () => void) {
    this.#store = store;
    this.#runId = runId;
    this.changed = changed;
  }

  /** @param error of any kind; only what is wrong with an update is noted */
  note(contributorId: string, error: unknown): void {
    if (!(error instanceof ChoraleError) || !error.code.startsWith('UPDATE_')) return;
    if (this.#noted.get(contributorId) === error.code) return;
    this.#store.setLastRefusal(this.#runId, contributorId, error.code);
    this.#noted.set(contributorId, error.code);
    this.changed();
  }
}
