import { proxy } from 'comlink';
import type { ChosenColumns, ClientError, RowsState } from './state.ts';
import type { StateStore } from './stateStore.ts';
import { clientError } from './stateStore.ts';
import type { TrainerRemote } from './workerLink.ts';

/** A person's choice of rows and columns, from the file to what will be trained on. */
export class RowChoice {
  readonly #store: StateStore;
  readonly #trainer: TrainerRemote;
  /** Counts choices: answers about earlier ones are not shown. */
  #choice = 0;

  constructor(store: StateStore, trainer: TrainerRemote) {
    this.#store = store;
    this.#trainer = trainer;
  }

  async openTable(blob: Blob, name: string): Promise<void> {
    const choice = ++this.#choice;
    const setTable = (table: RowsState['table']) => {
      if (choice === this.#choice) this.#set({ table });
    };
    setTable({ status: 'loading', fraction: null, what: `Reading ${name}` });
    try {
      const value = await this.#trainer.openTable(blob, name);
      setTable({ status: 'ready', value });
    } catch (error) {
      setTable({ status: 'failed', error: clientError(error) });
    }
  }

  async chooseColumns(columns: ChosenColumns): Promise<void> {
    const { table } = this.#store.state.rows;
    const choice = ++this.#choice;
    const setReport = (report: RowsState['report']) => {
      // Rows that were removed or chosen anew meanwhile do not come back
      if (choice === this.#choice) this.#set({ table, columns, report });
    };
    let answered = false;
    const show = (what: string, fraction: number | null) => {
      // Progress has a channel of its own: the last of it may arrive after the answer
      if (!answered) setReport({ status: 'loading', fraction, what });
    };
    show('Checking the rows', null);
    try {
      const value = await this.#trainer.chooseColumns(columns, proxy(show)).finally(() => {
        answered = true;
      });
      setReport({ status: 'ready', value });
    } catch (error) {
      setReport({ status: 'failed', error: clientError(error) });
    }
  }

  clear(): void {
    this.#choice++;
    void this.#trainer.closeTable();
    this.#set({});
  }

  /** The worker is gone: whatever waits for it has failed. */
  fail(error: ClientError): void {
    const failed = { status: 'failed', error } as const;
    const { rows } = this.#store.state;
    if (rows.table.status === 'loading') this.#set({ table: failed });
    if (rows.report.status === 'loading') this.#set({ ...rows, report: failed });
  }

  #set(rows: Partial<RowsState>): void {
    this.#store.set({
      rows: { table: { status: 'none' }, columns: null, report: { status: 'none' }, ...rows },
    });
  }
}
