/**
 * The one table of error codes. Only `{ code, message, retryable }` crosses the wire (see `wireError`);
 * a message says what was expected, what came, and what to do.
 * `retryable`: the same request may succeed later without the person changing anything.
 */
export const ERROR_CODES = {
  // Configuration and start-up
  CONFIG_INVALID: { retryable: false, meaning: 'a run config does not fit the schema' },
  MODEL_INVALID: { retryable: false, meaning: 'a checkpoint or tokenizer cannot be used' },
  HUB_REFUSED: { retryable: false, meaning: 'the model hub does not have the model, or not for this token' },
  HUB_UNREACHABLE: { retryable: true, meaning: 'the model hub cannot be reached, or breaks off' },
  // A contributor's own device and data
  DEVICE_UNSUPPORTED: { retryable: false, meaning: 'no backend of this device can train' },
  DEVICE_ERROR: { retryable: true, meaning: 'the device failed during a step; nothing was sent' },
  DATA_EMPTY: { retryable: false, meaning: 'the file or text holds no row' },
  DATA_TOO_LARGE: { retryable: false, meaning: 'the file is over the size limit' },
  DATA_BINARY: { retryable: false, meaning: 'the file is not text' },
  DATA_UNREADABLE: { retryable: false, meaning: 'the file is no CSV, TSV or JSONL' },
  DATA_NO_SUCH_COLUMN: { retryable: false, meaning: 'a named column is not in the file' },
  DATA_UNKNOWN_LABELS: { retryable: false, meaning: 'no label of the file is one of the task' },
  DATA_TOO_FEW_ROWS: { retryable: false, meaning: 'too few usable rows are left' },
  // Privacy
  PLAN_CHANGED: { retryable: false, meaning: 'the run is not the one the contributor agreed to' },
  LIMITS_EXCEEDED: { retryable: false, meaning: "the plan is outside the contributor's own limits" },
  LEDGER_UNAVAILABLE: { retryable: false, meaning: 'the privacy ledger cannot be written' },
  // Talking to the server
  PROTOCOL_MISMATCH: { retryable: false, meaning: 'client and server speak different protocol versions' },
  MESSAGE_INVALID: { retryable: false, meaning: 'a message does not fit its schema' },
  ORIGIN_REFUSED: { retryable: false, meaning: 'the request came from another web page' },
  NOT_JOINED: { retryable: true, meaning: 'the contributor has not joined the run on this connection' },
  IDENTITY_INVALID: { retryable: false, meaning: 'the contributor token does not match' },
  INVITE_REQUIRED: { retryable: false, meaning: 'the run takes only contributors with an invite code' },
  INVITE_INVALID: { retryable: false, meaning: 'the invite code is unknown, used up, expired or withdrawn' },
  RATE_LIMITED: { retryable: true, meaning: 'too many requests, messages or bytes in a short time' },
  SERVER_CLOSING: { retryable: true, meaning: 'the server is being stopped; it will be back' },
  RUN_UNKNOWN: { retryable: false, meaning: 'no run has this id' },
  RUN_ENDED: { retryable: false, meaning: 'the run is completed, stopped or failed' },
  RUN_STATE: { retryable: false, meaning: 'the run is not in a state that allows this' },
  ADMIN_REQUIRED: { retryable: false, meaning: 'the admin token is missing or wrong' },
  TIMEOUT: { retryable: true, meaning: 'no answer within the time limit' },
  DISCONNECTED: { retryable: true, meaning: 'the connection to the server is down' },
  // Updates
  UPDATE_MALFORMED: { retryable: false, meaning: 'the bytes are not an update of this run' },
  UPDATE_SIZE: { retryable: false, meaning: 'the update has another number of parameters' },
  UPDATE_NOT_FINITE: {
    retryable: false,
    meaning: 'the update holds NaN, infinity or an absurdly large value',
  },
  UPDATE_OUT_OF_WINDOW: {
    retryable: false,
    meaning: "the update's norm is none that the run's noise and clipping can give",
  },
  UPDATE_WRONG_ROUND: { retryable: false, meaning: 'the update is for a round that is not open' },
  UPDATE_NOT_IN_COHORT: { retryable: false, meaning: 'the contributor is not in the cohort of this round' },
  UPDATE_CONFLICT: { retryable: false, meaning: 'another update of this contributor is stored already' },
  // The server's own state
  STORE_ERROR: { retryable: true, meaning: 'the server could not store or read' },
  STORE_FULL: { retryable: true, meaning: 'the server has no room left on its disk' },
  STORE_DAMAGED: {
    retryable: false,
    meaning: "the server's database is damaged or was written by a newer release",
  },
  INTERNAL: { retryable: true, meaning: 'an unexpected error; the server log has it' },
} as const satisfies Record<string, { retryable: boolean; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What crosses the wire of an error. */
export type WireError = { code: ErrorCode; message: string; retryable: boolean };

/** The error every package above `protocol` throws on purpose. */
export class ChoraleError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ChoraleError';
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable;
  }
}

/**
 * The part of an error that may be shown to another party.
 * Lower packages (compute, model) throw errors with a `code` of this table without importing it; any other error
 * becomes INTERNAL without its text, which may name paths or data.
 */
export function wireError(error: unknown): WireError {
  if (error instanceof Error && 'code' in error && isErrorCode(error.code)) {
    return { code: error.code, message: error.message, retryable: ERROR_CODES[error.code].retryable };
  }
  return { code: 'INTERNAL', message: ERROR_CODES.INTERNAL.meaning, retryable: true };
}

/** The way back: an error that came over the wire, as one that can be thrown. */
export function fromWireError(error: WireError): ChoraleError {
  return new ChoraleError(error.code, error.message);
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}
