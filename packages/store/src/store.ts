import type { BackendName, ErrorCode, ResolvedRun, RoundRecord, RunStatus } from '@chorale/protocol';

/** A run as it is kept. Times are milliseconds since 1970. */
export type StoredRun = {
  run: ResolvedRun;
  createdAtMs: number;
  status: RunStatus;
  /** What the round engine serialised; opaque here. */
  engineState: string;
  /** SHA-256 of the public test file's bytes in the file store; null when the run has none. */
  evaluationSha256: string | null;
};

/** The engine's side of a change, stored in the same transaction as its other side. */
export type EngineRow = { status: RunStatus; engineState: string };

export type StoredContributor = {
  contributorId: string;
  /** SHA-256 of the token, 64 hexadecimal digits; the token itself is never stored. */
  tokenHash: string;
  backend: BackendName;
  lastRefusal: ErrorCode | null;
  /** Stored updates. */
  rounds: number;
  /** Rounds her ledger charges, as far as it is known here; at least `rounds`. */
  chargedRounds: number;
};

/** One update as it arrived: its encoded bytes. */
export type StoredUpdate = { contributorId: string; bytes: Uint8Array; sha256: string };

export type StoredAdapter = { adapterVersion: number; parameters: Float64Array };

/**
 * Everything that survives the process. Synchronous: each method is one transaction, and when it returns its change is
 * durable. What is passed in is copied; what is returned belongs to the caller.
 * Every method throws a ChoraleError STORE_ERROR when the medium fails or a key that must be new or present is not.
 */
export interface Store {
  /** Creates a run with adapter version 0 and the record of round 0. */
  createRun(run: StoredRun, initialParameters: Float64Array, firstRecord: RoundRecord): void;
  /** All runs, oldest first. */
  listRuns(): StoredRun[];
  getRun(runId: string): StoredRun | undefined;
  saveEngine(runId: string, engine: EngineRow): void;

  addContributor(
    runId: string,
    contributor: Pick<StoredContributor, 'contributorId' | 'tokenHash' | 'backend'>,
  ): void;
  getContributor(runId: string, contributorId: string): StoredContributor | undefined;
  /** In the order in which they joined first. */
  listContributors(runId: string): StoredContributor[];
  setBackend(runId: string, contributorId: string, backend: BackendName): void;
  setLastRefusal(runId: string, contributorId: string, code: ErrorCode): void;

  /** Adds rounds to the copy of a contributor's ledger; those that are in it stay. Nothing takes one out again. */
  chargeRounds(runId: string, contributorId: string, rounds: readonly number[]): void;
  /** Rounds of which this contributor released an update, or may have; ascending. */
  chargedRounds(runId: string, contributorId: string): number[];
  /** Number of charged rounds of the contributor with the most; 0 without any. */
  mostChargedRounds(runId: string): number;

  /** Stores an accepted update, its charge, and the engine state that counts it. The key must be new. */
  acceptUpdate(
    runId: string,
    round: number,
    update: StoredUpdate & { receivedAtMs: number },
    engine: EngineRow,
  ): void;
  /** Hash of the update under this key. */
  getUpdateHash(runId: string, round: number, contributorId: string): string | undefined;
  /** Updates of one round in the order of contributor ids. */
  listUpdates(runId: string, round: number): StoredUpdate[];

  /** Stores the next adapter version, the round's record and the engine state. Version and round must be new. */
  closeRound(runId: string, adapter: StoredAdapter, record: RoundRecord, engine: EngineRow): void;
  /** Writes the test results into the record of a round; with the engine state when the engine waited for them. */
  recordEvaluation(
    runId: string,
    round: number,
    metrics: { testAccuracy: number; testLoss: number } | null,
    engine?: EngineRow,
  ): void;
  /** Records in the order of rounds. */
  listRecords(runId: string): RoundRecord[];
  getAdapter(runId: string, adapterVersion: number): StoredAdapter | undefined;
  /** The newest version; every run has one. */
  latestAdapter(runId: string): StoredAdapter;

  /** Hash of the admin token that is valid now. */
  setAdminTokenHash(hash: string): void;
  getAdminTokenHash(): string | undefined;
  /** Adds a signed-in session; sessions that expired before `nowMs` are removed. */
  addSession(hash: string, expiresAtMs: number, nowMs: number): void;
  hasSession(hash: string, nowMs: number): boolean;

  /** Closes the medium; every later call throws. */
  close(): void;
}
