import type {
  AuditEntry,
  BackendName,
  ErrorCode,
  Invite,
  ResolvedRun,
  RoundRecord,
  RunStatus,
} from '@chorale/protocol';

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
export type EngineRow = {
  status: RunStatus;
  engineState: string;
  /** The bytes of all updates of the run go in the same transaction, as at its end; keys and hashes stay. */
  dropUpdates?: boolean;
};

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

export type StoredAdapter = {
  adapterVersion: number;
  parameters: Float64Array;
  /** What the server's optimizer carries from round to round; null for sgd, and before the first round. */
  optimizerState: Float64Array | null;
};

/** One invite; the code itself is never stored. */
export type StoredInvite = Invite & { codeHash: string };

/** An entry before the store has numbered and chained it. */
export type NewAuditEntry = Omit<AuditEntry, 'sequence' | 'previousHash' | 'hash'>;

/**
 * Everything that survives the process. Synchronous: each method is one transaction, and when it returns its change is
 * durable. What is passed in is copied; what is returned belongs to the caller.
 * Every method throws a ChoraleError: STORE_FULL when there is no room left, STORE_DAMAGED when the medium holds what it
 * cannot hold, STORE_ERROR when it fails otherwise or a key that must be new or present is not.
 */
export interface Store {
  /** Creates a run with adapter version 0 and the record of round 0. */
  createRun(run: StoredRun, initialParameters: Float64Array, firstRecord: RoundRecord): void;
  /** All runs, oldest first. */
  listRuns(): StoredRun[];
  getRun(runId: string): StoredRun | undefined;
  saveEngine(runId: string, engine: EngineRow): void;

  /** Id and token hash must be new in the run. */
  addContributor(
    runId: string,
    contributor: Pick<StoredContributor, 'contributorId' | 'tokenHash' | 'backend'>,
    /** Counts this use of an invite in the same transaction; it must be one that `findInvite` gives. */
    inviteId?: string,
  ): void;
  getContributor(runId: string, contributorId: string): StoredContributor | undefined;
  /** Id of the run's contributor whose token has this hash. */
  findContributor(runId: string, tokenHash: string): string | undefined;
  /** In the order in which they joined first. */
  listContributors(runId: string): StoredContributor[];
  setBackend(runId: string, contributorId: string, backend: BackendName): void;
  /** @param codes contributor → what her last refused update was refused for */
  setLastRefusals(runId: string, codes: ReadonlyMap<string, ErrorCode>): void;

  /**
   * Adds rounds to the copies of contributors' ledgers; those that are in them stay. Nothing takes one out again.
   * @param charges contributor → rounds
   * @returns how many were not in them before
   */
  chargeRounds(runId: string, charges: ReadonlyMap<string, readonly number[]>): number;
  /** Rounds of which this contributor released an update, or may have; ascending. */
  chargedRounds(runId: string, contributorId: string): number[];
  /** Number of charged rounds of the contributor with the most; 0 without any. */
  mostChargedRounds(runId: string): number;

  /**
   * Stores accepted updates and their charges in one transaction; with the engine's state where that changed. Keys must be
   * new, and different from each other. One that is not makes all of it fail.
   */
  acceptUpdates(
    runId: string,
    updates: readonly (StoredUpdate & { round: number; receivedAtMs: number })[],
    engine: EngineRow | null,
  ): void;
  /** Hash of the update under this key; also when its bytes are gone. */
  getUpdateHash(runId: string, round: number, contributorId: string): string | undefined;
  /** Contributors whose update of this round is stored, in the order of their ids. */
  receivedContributors(runId: string, round: number): string[];
  /**
   * Updates of one round in the order of contributor ids, one after the other: memory does not grow with their number.
   * Each is read when it is asked for, whatever is written meanwhile. Of rounds whose bytes are gone there is none.
   */
  eachUpdate(runId: string, round: number): Iterable<StoredUpdate>;

  /**
   * Stores the next adapter version, the round's record and the engine state. Version and round must be new.
   * @param keepUpdates false: the bytes of the round's updates go in the same transaction; keys and hashes stay
   */
  closeRound(
    runId: string,
    adapter: StoredAdapter,
    record: RoundRecord,
    engine: EngineRow,
    keepUpdates: boolean,
  ): void;
  /** Writes the test results into the record of a round; with the engine state when the engine waited for them. */
  recordEvaluation(
    runId: string,
    round: number,
    metrics: { testAccuracy: number; testLoss: number } | null,
    engine?: EngineRow,
  ): void;
  /** Writes what a round cost into its record, which was stored without it. */
  recordEpsilon(runId: string, round: number, spentEpsilon: number): void;
  /** Records in the order of rounds. */
  listRecords(runId: string): RoundRecord[];
  getAdapter(runId: string, adapterVersion: number): StoredAdapter | undefined;
  /** The newest version; every run has one. */
  latestAdapter(runId: string): StoredAdapter;

  addInvite(runId: string, invite: StoredInvite): void;
  /** Oldest first. */
  listInvites(runId: string): StoredInvite[];
  /** The invite of this code if somebody may join with it now: not withdrawn, not expired, not used up. */
  findInvite(runId: string, codeHash: string, nowMs: number): StoredInvite | undefined;
  withdrawInvite(runId: string, inviteId: string): void;

  /** Hash of the admin token that is valid now. */
  setAdminTokenHash(hash: string): void;
  getAdminTokenHash(): string | undefined;
  /** Puts another in the place of the admin token, which is retired for ever, and ends all sessions. */
  replaceAdminToken(hash: string): void;
  isRetiredAdminToken(hash: string): boolean;
  /** Adds a signed-in session; sessions that expired before `nowMs` are removed. */
  addSession(hash: string, expiresAtMs: number, nowMs: number): void;
  hasSession(hash: string, nowMs: number): boolean;
  endSession(hash: string): void;
  endAllSessions(): void;

  /** Numbers, chains and appends; nothing takes an entry out again. */
  appendAudit(entry: NewAuditEntry): AuditEntry;
  /** Newest first. @param before only entries with a lower sequence; null from the newest */
  listAudit(limit: number, before: number | null): AuditEntry[];

  /** Writes one byte's worth and takes it back: throws STORE_ERROR or STORE_FULL when writing does not work now. */
  checkWritable(): void;
  /** Copies everything, as it is at one moment, into a new file while the store is in use. Not for memory stores. */
  backup(path: string): Promise<void>;

  /** Closes the medium; every later call throws. */
  close(): void;
}
