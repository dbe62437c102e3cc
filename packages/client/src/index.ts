export { createContributor } from './browserContributor.ts';
export { LOW_BATTERY, holdsOf } from './conditions.ts';
export type { ConditionChoices, ConditionKind, ConditionReading, ConditionsView } from './conditions.ts';
export type {
  BackendCandidate,
  ChosenColumns,
  ClientError,
  Contribution,
  ContributorController,
  ContributorState,
  DeviceReport,
  DeviceTrouble,
  Limits,
  LimitsView,
  Loadable,
  Participation,
  ReadingReason,
  RowsReport,
  RowsState,
  SkippedRows,
  StopReason,
  TablePreview,
} from './state.ts';
