export { createContributor } from './browserContributor.ts';
export type {
  BackendCandidate,
  ClientError,
  Contribution,
  ContributorController,
  ContributorState,
  DeviceReport,
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
