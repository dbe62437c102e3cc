export { ERROR_CODES, ChoraleError, wireError, fromWireError } from './errors.ts';
export type { ErrorCode, WireError } from './errors.ts';
export { TARGET_MODULES, runConfigSchema, parseRunConfig } from './runConfig.ts';
export type { RunConfig, RunConfigInput } from './runConfig.ts';
export {
  resolvedRunSchema,
  runPlanSchema,
  sha256Schema,
  hashPlan,
  canonicalJson,
  sha256Hex,
  bytesToHex,
  hexToBytes,
} from './resolvedRun.ts';
export type { ModelFile, RunPlan, ResolvedRun } from './resolvedRun.ts';
export {
  PROTOCOL_VERSION,
  CONTRIBUTE_NAMESPACE,
  ADMIN_NAMESPACE,
  BACKENDS,
  RUN_STATUSES,
  ENDED_STATUSES,
  MEMBER_STATES,
  ADMIN_ACTIONS,
  runStateSchema,
  roundRecordSchema,
  joinSchema,
  joinedSchema,
  AVAILABILITIES,
  availabilitySchema,
  updateSchema,
  leaveSchema,
  roundStartSchema,
  roundEndSchema,
  runDetailSchema,
  publicRunSchema,
  updateReceiptSchema,
  parseMessage,
  parseResult,
} from './messages.ts';
export type {
  BackendName,
  RunStatus,
  RunState,
  RoundRecord,
  Availability,
  JoinMessage,
  JoinedMessage,
  AvailabilityMessage,
  UpdateMessage,
  UpdateReceipt,
  LeaveMessage,
  RoundStartMessage,
  RoundEndMessage,
  Result,
  ContributorToServer,
  ServerToContributor,
  ServerToAdmin,
  CohortMember,
  ContributorSummary,
  RunDetail,
  PublicRun,
  AdminAction,
} from './messages.ts';
export {
  encodedBytes,
  updateBytes,
  encodeUpdate,
  decodeUpdate,
  boundRound,
  encodeAdapter,
  decodeAdapter,
} from './updateCodec.ts';
export type { Binding, DecodedUpdate } from './updateCodec.ts';
