export { createContributor } from './browserContributor.ts';
export type {
  BackendCandidate,
  ClientError,
  Contribution,
  ContributorController,
  ContributorState,
  DeviceReport,
  Loadable,
  Participation,
  RowsReport,
  RowsState,
  SkippedRows,
  StopReason,
  TablePreview,
} from './state.ts';
