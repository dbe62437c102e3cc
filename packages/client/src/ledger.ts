import type { DpEvent } from '@chorale/privacy';
import { ChoraleError } from '@chorale/protocol';
import type { Limits } from './state.ts';

/** Who this contributor is to a run's server, so that she is the same one after a reload, and the plan she agreed to. */
export type Identity = { contributorId: string; token: string; planHash: string };

/**
 * As it is kept. `contributorId` is null until an answer to her first join has come: her secret is hers before, so that
 * she is the same one to the server if that answer gets lost.
 */
export type KeptIdentity = Omit<Identity, 'contributorId'> & { contributorId: string | null };

/**
 * One release: written before its bytes leave, never removed. `payload` is kept until the server has acknowledged or
 * refused it, and resent unchanged, also to another attempt at its round: fresh noise would be a second release.
 * `restored`: lost here and taken over from the server's copy; its bytes are gone, so it is never sent again.
 */
export type LedgerEntry = {
  round: number;
  event: DpEvent;
  payload: Uint8Array | null;
  outcome: 'pending' | 'accepted' | 'late' | 'refused' | 'restored';
};

/**
 * What a contributor keeps across reloads, for one run. Every write is durable when its promise resolves. Whatever
 * cannot be written, read or understood throws LEDGER_UNAVAILABLE, and nothing may be sent.
 */
export type Ledger = {
  identity(): Promise<KeptIdentity | null>;
  saveIdentity(identity: KeptIdentity): Promise<void>;
  limits(): Promise<Limits | null>;
  saveLimits(limits: Limits): Promise<void>;
  /** In order of rounds. */
  entries(): Promise<LedgerEntry[]>;
  /** Writes a release down; refuses when its round has an entry: a second one would replace what was released. */
  add(entry: LedgerEntry): Promise<void>;
  /** Writes down what became of a release. */
  settle(entry: LedgerEntry): Promise<void>;
  /** What all other runs that are kept in the same place released; a release that cannot be read is `non-private`. */
  otherRuns(): Promise<DpEvent[]>;
};

/** Opens the ledger of a run; the key is the run, never the data: deleting a row must not reset what was spent. */
export type OpenLedger = (runId: string) => Promise<Ledger>;

/** A ledger that lasts as long as the process; only for contributors who never come back. */
export function openMemoryLedger(): Ledger {
  let identity: KeptIdentity | null = null;
  let limits: Limits | null = null;
  const entries = new Map<number, LedgerEntry>();
  return {
    identity: async () => identity,
    saveIdentity: async (value) => {
      identity = value;
    },
    limits: async () => limits,
    saveLimits: async (value) => {
      limits = value;
    },
    entries: async () => [...entries.values()].toSorted((a, b) => a.round - b.round),
    add: async (entry) => {
      if (entries.has(entry.round)) throw chargedAlready(entry.round);
      entries.set(entry.round, entry);
    },
    settle: async (entry) => {
      entries.set(entry.round, entry);
    },
    otherRuns: async () => [],
  };
}

/** A release that would take the place of another one of its round. */
export function chargedAlready(round: number, cause?: unknown): ChoraleError {
  return new ChoraleError(
    'LEDGER_UNAVAILABLE',
    `Expected no entry of round ${round} in the privacy ledger, found one: something else contributes with this ledger too. Nothing more is sent. Close what else is open of this run, then reload.`,
    { cause },
  );
}
