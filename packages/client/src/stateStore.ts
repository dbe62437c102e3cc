import { ChoraleError, wireError } from '@chorale/protocol';
import type { ClientError, Contribution, ContributorState, Participation } from './state.ts';

const INITIAL: ContributorState = {
  run: { status: 'none' },
  runState: null,
  rounds: [],
  device: { status: 'none' },
  rows: { table: { status: 'none' }, columns: null, report: { status: 'none' } },
  participation: { status: 'not-joined' },
  contributions: [],
  spentEpsilon: null,
  ledgerProblem: null,
  plannedEpsilon: null,
  accountingNote: null,
  otherRunsEpsilon: null,
  limits: null,
  conditions: null,
};

/** The one place a contributor's state changes: every change is a new object, and listeners are told. */
export class StateStore {
  #state: ContributorState = INITIAL;
  readonly #listeners = new Set<() => void>();

  get state(): ContributorState {
    return this.#state;
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  set(change: Partial<ContributorState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  setParticipation(participation: Participation): void {
    this.set({ participation });
  }

  /** Adds the contribution of a round, or changes it. */
  setContribution(round: number, change: Omit<Contribution, 'round'>): void {
    const others = this.#state.contributions.filter((contribution) => contribution.round !== round);
    this.set({ contributions: [...others, { round, ...change }].toSorted((a, b) => a.round - b.round) });
  }
}

/** An error as a page shows it. Unexpected ones are logged, since the page shows their code only. */
export function clientError(error: unknown): ClientError {
  if (!(error instanceof ChoraleError)) console.error(error);
  const { code, message } = wireError(error);
  return { code, message };
}
