export { ActionButton } from './ActionButton.tsx';
export type { ActionButtonProps } from './ActionButton.tsx';
export { Brand } from './Brand.tsx';
export { Button } from './Button.tsx';
export type { ButtonProps, ButtonVariant } from './Button.tsx';
export { Card } from './Card.tsx';
export type { CardProps } from './Card.tsx';
export { ConfirmButton } from './ConfirmButton.tsx';
export type { ConfirmButtonProps } from './ConfirmButton.tsx';
export { CopyField } from './CopyField.tsx';
export type { CopyFieldProps } from './CopyField.tsx';
export { DataTable } from './DataTable.tsx';
export type { Column, DataTableProps } from './DataTable.tsx';
export { Field } from './Field.tsx';
export type { FieldProps } from './Field.tsx';
export { LineChart } from './LineChart.tsx';
export type { ChartPoint, LineChartProps } from './LineChart.tsx';
export { Meter } from './Meter.tsx';
export type { MeterProps } from './Meter.tsx';
export { Notice } from './Notice.tsx';
export type { NoticeProps } from './Notice.tsx';
export { Progress } from './Progress.tsx';
export type { ProgressProps } from './Progress.tsx';
export { Shape } from './Shape.tsx';
export type { ShapeName } from './Shape.tsx';
export { Stat } from './Stat.tsx';
export { StatusChip } from './StatusChip.tsx';
export type { Tone } from './StatusChip.tsx';
export { useAction } from './useAction.ts';
export type { ActionState } from './useAction.ts';
export { useLoaded } from './useLoaded.ts';
export type { Loaded } from './useLoaded.ts';
export { useNow } from './useNow.ts';
export {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatEpsilon,
  formatLoss,
  formatNumber,
  formatPercent,
  formatSentence,
} from './format.ts';
