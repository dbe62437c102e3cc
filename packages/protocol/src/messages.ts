import { z } from 'zod';
import type { ErrorCode, WireError } from './errors.ts';
import { ChoraleError, ERROR_CODES } from './errors.ts';
import { describeIssues } from './runConfig.ts';
import { resolvedRunSchema, sha256Schema } from './resolvedRun.ts';

/** Raised by one whenever a message or the update layout changes meaning. */
export const PROTOCOL_VERSION = 4;

/** socket.io namespaces. */
export const CONTRIBUTE_NAMESPACE = '/contribute';
export const ADMIN_NAMESPACE = '/admin';

export const BACKENDS = ['webgpu', 'webgl', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKENDS)[number];

/* ------------------------------------------------ state everybody may see ------------------------------------------------ */

export const RUN_STATUSES = [
  'recruiting',
  'training',
  'aggregating',
  'evaluating',
  'paused',
  'completed',
  'stopped',
  'failed',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export const ENDED_STATUSES: readonly RunStatus[] = ['completed', 'stopped', 'failed'];

const roundNumber = z.int().min(1);
const runId = z.string().regex(/^[a-z0-9-]{1,64}$/);
const contributorId = z.string().regex(/^[a-z0-9]{8,40}$/);

/** Where a run is. Everything in it is public. */
export const runStateSchema = z.strictObject({
  runId,
  status: z.enum(RUN_STATUSES),
  /** Why it is in that state, for people ("waiting for contributors: 1 of 3"). */
  reason: z.string().max(300),
  /** The round under way or next, from 1 to roundCount. */
  round: roundNumber,
  roundCount: roundNumber,
  /** Version of the global adapter: 0 at the start, +1 with every aggregated round. */
  adapterVersion: z.int().min(0),
  cohortSize: z.int().min(1),
  /** Contributors connected and available now. */
  available: z.int().min(0),
  /** Members of the open round's cohort, and how many of their updates are stored. */
  cohort: z.int().min(0),
  received: z.int().min(0),
  /** Milliseconds left until the present state times out; null when nothing is pending. */
  timeLeftMs: z.number().nullable(),
});
export type RunState = z.infer<typeof runStateSchema>;

/** The record of one round that was aggregated, or of the adapter before the first (round 0). */
export const roundRecordSchema = z.strictObject({
  round: z.int().min(0),
  /** 1 unless earlier tries were abandoned. */
  attempt: z.int().min(1),
  cohort: z.int().min(0),
  received: z.int().min(0),
  adapterVersion: z.int().min(0),
  /** On the public test file; null when the run has none. */
  testAccuracy: z.number().nullable(),
  testLoss: z.number().nullable(),
  /** Epsilon of the contributor who has been charged most so far, rounded up; null when privacy.unit is none. */
  spentEpsilon: z.number().nullable(),
  /** Sum of the noisy counts the cohort reported of its own rows; null when the run asks for none. */
  localMetrics: z
    .strictObject({
      /** Rows the adapter before this round gets right, noise included; may be negative or over `rows`. */
      correct: z.number(),
      rows: z.number(),
      /** Standard deviation of the noise in each of the two. */
      noiseStdDev: z.number().min(0),
    })
    .nullable(),
  /** Size of one stored update. */
  uplinkBytes: z.int().min(0),
  /** From the round's start to its record. */
  durationMs: z.number().min(0),
});
export type RoundRecord = z.infer<typeof roundRecordSchema>;

/* ------------------------------------------------ contributor → server ------------------------------------------------ */

/** Whether a contributor can be chosen for rounds. `limit-reached`: she reads on, but trains no more. */
export const AVAILABILITIES = ['available', 'paused', 'limit-reached'] as const;
export type Availability = (typeof AVAILABILITIES)[number];

/** Rounds a contributor's ledger charges: each was, or may have been, released. */
const chargedRounds = z.array(roundNumber).max(100_000);

const identity = z.strictObject({ contributorId, token: z.string().min(16).max(200) });

/** A code that lets somebody new into a run whose access is by invitation. */
export const inviteCodeSchema = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/);

/** 256 bits as base64url, from a generator made for secrets. */
export const newTokenSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/**
 * What a socket says as it opens (socket.io's `auth`), before it can send anything else: it belongs to one run from then
 * on. What is wrong with it comes back as a `connect_error` whose `data` is a `WireError`.
 */
export const handshakeSchema = z
  .strictObject({
    protocolVersion: z.int(),
    runId,
    /** From an earlier join, to go on as the same contributor. Whoever has none becomes somebody new as she joins. */
    identity: identity.optional(),
    /**
     * In place of an identity: the secret that hers will have. She makes it, so that an answer to her join that got lost
     * costs nothing: with the same secret she is the same contributor.
     */
    newToken: newTokenSchema.optional(),
    /** Used up by whoever joins anew; who has an identity, or has joined with this secret before, needs none. */
    invite: inviteCodeSchema.optional(),
  })
  .refine((handshake) => (handshake.identity === undefined) !== (handshake.newToken === undefined), {
    error: 'expected either an identity or, from somebody new, a newToken',
  });
export type Handshake = z.infer<typeof handshakeSchema>;
export type Identity = z.infer<typeof identity>;

export const joinSchema = z.strictObject({
  planHash: sha256Schema,
  basisHash: sha256Schema,
  backend: z.enum(BACKENDS),
  availability: z.enum(AVAILABILITIES),
  /** All rounds of her own ledger. They depend on no data; the server keeps a copy that can only grow. */
  chargedRounds,
});
export type JoinMessage = z.infer<typeof joinSchema>;

export const joinedSchema = z.strictObject({
  contributorId,
  token: z.string().min(16).max(200),
  state: runStateSchema,
  /** Rounds that the server's copy of her ledger charges, those she has just named included. */
  chargedRounds,
});
export type JoinedMessage = z.infer<typeof joinedSchema>;

export const availabilitySchema = z.strictObject({ availability: z.enum(AVAILABILITIES) });
export type AvailabilityMessage = z.infer<typeof availabilitySchema>;

/**
 * Asks to send an update before its bytes go out. The answer comes when the server has room for them, so that a thousand
 * updates at once wait in their tabs and not in its memory; bytes that are stored already, or that no round takes any
 * more, are not sent at all. A later offer on the same connection takes the place of one that waits.
 * The server charges nothing for an offer, since no update is in it. Its hash does follow from one: a tab's own ledger
 * charges the round before it offers anything.
 */
export const offerSchema = z.strictObject({
  round: roundNumber,
  /** Of the encoded update. */
  sha256: sha256Schema,
  payloadBytes: z.int().min(1),
});
export type OfferMessage = z.infer<typeof offerSchema>;

/** `send`: the server waits for the bytes now; `stored`: it has these bytes, which counts as a receipt. */
export const offerAnswerSchema = z.enum(['send', 'stored']);
export type OfferAnswer = z.infer<typeof offerAnswerSchema>;

/** Rides with one binary attachment, the encoded update (`encodeUpdate`). */
export const updateSchema = z.strictObject({ round: roundNumber });
export type UpdateMessage = z.infer<typeof updateSchema>;

export const leaveSchema = z.strictObject({});
export type LeaveMessage = z.infer<typeof leaveSchema>;

/** `duplicate`: the same bytes were stored before; nothing changed. */
export type UpdateReceipt = { round: number; duplicate: boolean };

/* ------------------------------------------------ server → contributor ------------------------------------------------ */

/** Rides with one binary attachment, the global adapter (`encodeAdapter`). */
export const roundStartSchema = z.strictObject({
  runId,
  round: roundNumber,
  attempt: z.int().min(1),
  adapterVersion: z.int().min(0),
  /** Time left to deliver the update. */
  timeLeftMs: z.number().min(0),
});
export type RoundStartMessage = z.infer<typeof roundStartSchema>;

export const roundEndSchema = z.strictObject({
  runId,
  round: roundNumber,
  outcome: z.enum(['aggregated', 'abandoned']),
  received: z.int().min(0),
  adapterVersion: z.int().min(0),
});
export type RoundEndMessage = z.infer<typeof roundEndSchema>;

export type Result<T> = { ok: true; value: T } | { ok: false; error: WireError };

export type ContributorToServer = {
  join: (message: JoinMessage, answer: (result: Result<JoinedMessage>) => void) => void;
  availability: (message: AvailabilityMessage, answer: (result: Result<null>) => void) => void;
  offer: (message: OfferMessage, answer: (result: Result<OfferAnswer>) => void) => void;
  update: (
    message: UpdateMessage,
    payload: Uint8Array,
    answer: (result: Result<UpdateReceipt>) => void,
  ) => void;
  leave: (message: LeaveMessage, answer: (result: Result<null>) => void) => void;
};

export type ServerToContributor = {
  'round:start': (message: RoundStartMessage, payload: ArrayBuffer | Uint8Array) => void;
  'round:end': (message: RoundEndMessage) => void;
  /** Also sent to everybody in the run after each evaluation. */
  'round:record': (record: RoundRecord) => void;
  'run:state': (state: RunState) => void;
};

/* ------------------------------------------------ admin ------------------------------------------------ */

export const MEMBER_STATES = ['training', 'received', 'disconnected', 'dropped'] as const;

export const cohortMemberSchema = z.strictObject({
  contributorId,
  state: z.enum(MEMBER_STATES),
  backend: z.enum(BACKENDS),
});
export type CohortMember = z.infer<typeof cohortMemberSchema>;

export const contributorSummarySchema = z.strictObject({
  contributorId,
  online: z.boolean(),
  availability: z.enum(AVAILABILITIES),
  backend: z.enum(BACKENDS),
  /** Updates of hers that are stored. */
  rounds: z.int().min(0),
  /** Rounds her ledger charges, as far as the server knows it; late and refused updates count here too. */
  chargedRounds: z.int().min(0),
  /** Of the charged rounds, rounded up; null when privacy.unit is none. */
  spentEpsilon: z.number().nullable(),
  /** Code of the last update that was refused, if any. */
  lastRefusal: z.string().nullable(),
});
export type ContributorSummary = z.infer<typeof contributorSummarySchema>;

/** All the admin page shows of one run; sent whole on every change (throttled). */
export const runDetailSchema = z.strictObject({
  run: resolvedRunSchema,
  state: runStateSchema,
  rounds: z.array(roundRecordSchema),
  members: z.array(cohortMemberSchema),
  contributors: z.array(contributorSummarySchema),
  createdAt: z.number(),
  /** Epsilon after all rounds for a contributor who takes part in every one; null when privacy.unit is none. */
  plannedEpsilon: z.number().nullable(),
  /** Why `plannedEpsilon` is that of Rényi accounting, for people; null when it is the tight accountant's, or null. */
  accountingNote: z.string().nullable(),
});
export type RunDetail = z.infer<typeof runDetailSchema>;

/** What `GET /api/runs/:id` and the contributor page read; no sign-in needed. */
export const publicRunSchema = z.strictObject({
  run: resolvedRunSchema,
  state: runStateSchema,
  rounds: z.array(roundRecordSchema),
});
export type PublicRun = z.infer<typeof publicRunSchema>;

export type ServerToAdmin = {
  'run:detail': (detail: RunDetail) => void;
};

/** An invite as admins see it; the code itself is shown once, when it is made. */
export const inviteSchema = z.strictObject({
  inviteId: z.string().regex(/^[a-z0-9]{8,40}$/),
  /** For whom, in the admin's words. */
  note: z.string().max(120),
  createdAt: z.number(),
  /** Milliseconds since 1970; null: never. */
  expiresAt: z.number().nullable(),
  /** How many may join with it, and how many have. */
  uses: z.int().min(1).max(100_000),
  used: z.int().min(0),
  withdrawn: z.boolean(),
});
export type Invite = z.infer<typeof inviteSchema>;

/** What an admin asks for: body of `POST /api/admin/runs/:runId/invites`. */
export const newInviteSchema = z.strictObject({
  note: z.string().trim().max(120).default(''),
  uses: z.int().min(1).max(100_000).default(1),
  /** null: it does not expire. */
  expiresInHours: z
    .number()
    .positive()
    .max(24 * 366)
    .nullable()
    .default(24 * 14),
});
export type NewInvite = z.input<typeof newInviteSchema>;

/** Its answer: the only time that the code is told. */
export const createdInviteSchema = z.strictObject({
  invite: inviteSchema,
  code: inviteCodeSchema,
  url: z.string(),
});
export type CreatedInvite = z.infer<typeof createdInviteSchema>;

/** Answer of `POST /api/admin/token/rotate`: the only time that the new token is told. */
export const rotatedTokenSchema = z.strictObject({ token: z.string().min(16).max(200) });

/** What admins do that is written down. */
export const AUDITED_ACTS = [
  'server-start',
  'sign-in',
  'sign-in-refused',
  'sign-out',
  'token-rotated',
  'pause',
  'resume',
  'stop',
  'invite-created',
  'invite-withdrawn',
  'adapter-downloaded',
] as const;
export type AuditedAct = (typeof AUDITED_ACTS)[number];

/** One line of the audit log; each is chained to the one before it by its hash. */
export const auditEntrySchema = z.strictObject({
  sequence: z.int().min(1),
  at: z.number(),
  act: z.enum(AUDITED_ACTS),
  /** First 8 hexadecimal digits of the hash of the session or token that acted; null for the server itself. */
  actor: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .nullable(),
  /** Network address it came from; null for the server itself. */
  address: z.string().max(64).nullable(),
  runId: runId.nullable(),
  detail: z.string().max(300),
  previousHash: sha256Schema,
  /** SHA-256 of the canonical JSON of all fields above. */
  hash: sha256Schema,
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

export const ADMIN_ACTIONS = ['pause', 'resume', 'stop'] as const;
export type AdminAction = (typeof ADMIN_ACTIONS)[number];

/* ------------------------------------------------ checking ------------------------------------------------ */

/**
 * Checks a value from the other side against its schema.
 * @throws {ChoraleError} MESSAGE_INVALID naming the event and each field that does not fit
 */
export function parseMessage<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  event: string,
): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw new ChoraleError('MESSAGE_INVALID', `${event}: ${describeIssues(result.error)}`);
  return result.data;
}

/** An error as it comes over the wire: in an answer, or as `data` of a connection that was refused. */
export const wireErrorSchema = z.object({
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)),
  message: z.string(),
  retryable: z.boolean(),
});

/**
 * Takes the value out of an acknowledgement, checked.
 * @throws {ChoraleError} the error the other side reported, or MESSAGE_INVALID
 */
export function parseResult<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  event: string,
): z.infer<Schema> {
  const result = parseMessage(
    z.union([
      z.strictObject({ ok: z.literal(true), value: z.unknown() }),
      z.strictObject({ ok: z.literal(false), error: wireErrorSchema }),
    ]),
    value,
    event,
  );
  if (!result.ok) throw new ChoraleError(result.error.code, result.error.message);
  return parseMessage(schema, result.value, event);
}

export const updateReceiptSchema = z.strictObject({ round: roundNumber, duplicate: z.boolean() });
