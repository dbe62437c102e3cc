import type { RunDetail } from '@chorale/protocol';
import type { AdminState } from './AdminSource.ts';

/** Holds the state for useSyncExternalStore: a new object on every change, and who wants to know. */
export function createStateBox() {
  let state: AdminState = {
    session: { status: 'checking' },
    connection: { status: 'connecting' },
    runs: null,
    problem: null,
  };
  const listeners = new Set<() => void>();
  const set = (change: Partial<AdminState>) => {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  };
  return {
    get: () => state,
    set,
    subscribe: (onChange: () => void) => {
      listeners.add(onChange);
      return () => {
        listeners.delete(onChange);
      };
    },
    /** Replaces all runs, newest first. */
    setRuns: (details: readonly RunDetail[]) => {
      const receivedAt = Date.now();
      set({ runs: newestFirst(details.map((detail) => ({ detail, receivedAt }))) });
    },
    /** Puts one run in the place of its older self, or adds it. */
    setRun: (detail: RunDetail) => {
      const others = (state.runs ?? []).filter((known) => known.detail.run.runId !== detail.run.runId);
      set({ runs: newestFirst([{ detail, receivedAt: Date.now() }, ...others]) });
    },
  };
}

function newestFirst<Known extends { detail: RunDetail }>(runs: readonly Known[]): Known[] {
  return runs.toSorted((a, b) => b.detail.createdAt - a.detail.createdAt);
}
