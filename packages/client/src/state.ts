import type { BackendName, ErrorCode, PublicRun, RoundRecord, RunState } from '@chorale/protocol';
import type { ConditionChoices, ConditionKind, ConditionsView } from './conditions.ts';

/** Something that takes time to get. */
export type Loadable<T> =
  | { status: 'none' }
  | { status: 'loading'; fraction: number | null; what: string }
  | { status: 'failed'; error: ClientError }
  | { status: 'ready'; value: T };

/** An error as a page shows it: a code of the one table and a sentence that says what to do. */
export type ClientError = { code: ErrorCode; message: string };

/** One way to compute, and whether this device offers it. */
export type BackendCandidate = {
  backend: BackendName;
  /** It could train here; no longer when it has failed the self-test, or twice while training. */
  available: boolean;
  /** A renderer in software (SwiftShader, llvmpipe): chosen only when forced, since wasm is faster. */
  software: boolean;
  /** What was found, in words: the adapter's name, or why not. */
  detail: string;
};

/** What failed while this tab took part, and what was done about it. */
export type DeviceTrouble = {
  backend: BackendName;
  /** What went wrong, in words. */
  what: string;
  /** It was opened again, as it was or for steps of half the size; or given up for the next one. */
  then: 'opened-again' | 'smaller-steps' | 'next-backend';
};

export type DeviceReport = {
  candidates: BackendCandidate[];
  /** It computes, and has computed the self-test rightly. */
  backend: BackendName;
  /** Why this one, in words. */
  reason: string;
  /** By `?backend=`. */
  forced: boolean;
  /** In the order in which they came. */
  troubles: DeviceTrouble[];
};

/** The first look at a file or pasted text, before columns are chosen. */
export type TablePreview = {
  name: string;
  format: 'csv' | 'tsv' | 'jsonl';
  columns: string[];
  rowCount: number;
  /** Up to five rows, each as long as `columns`. */
  firstRows: string[][];
  /** A guess at the column of the text, of a pair's second text and of the label; null when none fits. */
  suggestedText: string | null;
  suggestedTextPair: string | null;
  suggestedLabel: string | null;
};

/** Rows that are not used, by reason; numbers count from 1 without the header. */
export type SkippedRows = { reason: string; count: number; firstRows: number[] };

/** What will be trained on. Shown in this tab only; none of these counts is ever sent. */
export type RowsReport = {
  used: number;
  skipped: SkippedRows[];
  labelCounts: { label: string; count: number }[];
  /** Rows whose text (for pairs: both together) is longer than maxTokens and is cut. */
  cut: number;
};

/** Which column is which; `textPair` is null in a run that reads one text of each row. */
export type ChosenColumns = { text: string; textPair: string | null; label: string };

export type RowsState = {
  table: Loadable<TablePreview>;
  /** Chosen columns and what came of them. */
  columns: ChosenColumns | null;
  report: Loadable<RowsReport>;
};

export type StopReason =
  | 'run-completed'
  | 'run-stopped'
  /** It is over; how it ended could not be asked. */
  | 'run-over'
  | 'withdrawn'
  | 'device-error'
  /** Another tab of this browser takes part in the run already. */
  | 'other-tab'
  /** The run is by invitation, and she has no code that counts. */
  | 'not-invited'
  /** The server does not know this contributor any more; see `startAnew`. */
  | 'unknown-here'
  /** The same contributor connected from somewhere else; that connection goes on. */
  | 'replaced'
  | 'refused';

export type ReadingReason = 'epsilon-limit' | 'most-rounds';

/**
 * What a contributor allows at most, whatever the server sends. Set before she joins; kept with her ledger, so that a
 * reload changes nothing.
 */
export type Limits = {
  /** Most epsilon in this run; null when privacy.unit is none. */
  epsilonLimit: number | null;
  /** A plan with less noise than this is refused; null when privacy.unit is none. */
  leastNoiseMultiplier: number | null;
  /** Most rounds to take part in, an integer ≥ 1. */
  mostRounds: number;
};

/** What limits come to under the run's plan. */
export type LimitsView = {
  limits: Limits;
  /** Why the plan is refused under these limits; null when it fits. */
  problem: ClientError | null;
  /** Rounds of the plan they allow; null while this is computed. */
  roundsAllowed: number | null;
};

/** What this tab is doing for the run. Each state carries just what is valid in it. */
export type Participation =
  | { status: 'not-joined' }
  | { status: 'preparing'; what: string; fraction: number | null }
  | { status: 'waiting'; reason: string }
  | { status: 'training'; round: number; step: number; localSteps: number }
  /** `trouble`: why it was not taken the last time; it is tried again by itself. null at the first try. */
  | { status: 'sending'; round: number; payloadBytes: number; trouble: ClientError | null }
  /** The device failed: the round was given up, nothing of it was sent, and the device is being opened again. */
  | { status: 'recovering'; reason: string }
  /** By herself, until she resumes; or by a condition, until it is over or she says to go on. */
  | { status: 'paused'; by: 'you' | ConditionKind; reason: string }
  /** One of her own limits is reached: she trains no more and reads how the run goes on. */
  | { status: 'reading'; because: ReadingReason; message: string }
  /** `nextTryAtMs` in milliseconds since 1970; null when it is being tried now. */
  | { status: 'disconnected'; error: ClientError; nextTryAtMs: number | null }
  | { status: 'stopped'; because: StopReason; message: string };

/** One round this tab computed an update for. */
export type Contribution = {
  round: number;
  /**
   * `restored`: this browser had lost it; the server's copy of the ledger says that it was, or may have been, released.
   * `unsent`: taking part ended between its entry in the ledger and its sending; it counts, and nothing of it left.
   * `unanswered`: taking part ended before the server had answered; it counts, and may have been used.
   */
  outcome:
    | 'computing'
    | 'sending'
    | 'accepted'
    | 'late'
    | 'refused'
    | 'abandoned'
    | 'restored'
    | 'unsent'
    | 'unanswered';
  /** Own epsilon after this round, rounded up; null when privacy.unit is none, and for a moment until it is computed. */
  spentEpsilon: number | null;
  payloadBytes: number;
};

/** Everything a contributor page shows. A new object on every change (for useSyncExternalStore). */
export type ContributorState = {
  run: Loadable<PublicRun>;
  runState: RunState | null;
  /** Public test results so far, in order of rounds; the first is of the adapter before any round. */
  rounds: RoundRecord[];
  device: Loadable<DeviceReport>;
  rows: RowsState;
  participation: Participation;
  contributions: Contribution[];
  /**
   * What this contributor has spent in this run, rounded up, just after a round by a looser bound until the tight one is
   * computed; null when privacy.unit is none, and where it cannot be told: see ledgerProblem.
   */
  spentEpsilon: number | null;
  /** Why what was spent and which limits were set before cannot be read; null when they can. */
  ledgerProblem: ClientError | null;
  /** Epsilon after all rounds of the plan, rounded up; null when privacy.unit is none. */
  plannedEpsilon: number | null;
  /** Why an epsilon above is not the tight accountant's but a looser upper bound, for people; null when it is. */
  accountingNote: string | null;
  /**
   * What this browser has spent in other runs, all together and at this run's targetDelta, rounded up; Infinity when some
   * of it had no protection or cannot be read; null when there are none, and for a moment until it is computed.
   */
  otherRunsEpsilon: number | null;
  /** Her own limits: at first just what the whole plan asks for. null until the run is loaded. */
  limits: LimitsView | null;
  /** When to contribute, and how the device stands; null outside browsers, where nothing of it holds. */
  conditions: ConditionsView | null;
};

/** What the pages call. Errors do not throw: they arrive in the state, next to what caused them. */
export type ContributorController = {
  getState(): ContributorState;
  subscribe(onChange: () => void): () => void;
  /** Loads the run's public facts; first thing to call. */
  loadRun(): Promise<void>;
  checkDevice(): Promise<void>;
  readFile(file: File): Promise<void>;
  readText(text: string): Promise<void>;
  chooseColumns(columns: ChosenColumns): Promise<void>;
  clearRows(): void;
  /** Sets her own limits; before joining only. Values out of range arrive as `limits.problem`. */
  setLimits(limits: Limits): void;
  /** Loads the model, joins the run and takes part until it ends. Needs device and rows to be ready. */
  join(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Under which conditions to pause; kept for later visits. */
  setConditions(choices: ConditionChoices): void;
  /** Goes on in spite of the condition that pauses, until that is over. */
  goOn(): void;
  /** Leaves the run for good. */
  stop(): Promise<void>;
  /**
   * After `unknown-here`, when she wants it: from now on she is somebody new to the server. Her ledger stays, so what she
   * has spent counts on, and no round of it is computed again. She joins in a new visit: load the page again.
   * @returns whether it is so now; when not, why is in the state
   */
  startAnew(): Promise<boolean>;
};
