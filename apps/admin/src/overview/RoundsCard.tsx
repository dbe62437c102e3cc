import type { RoundRecord } from '@chorale/protocol';
import { Card, DataTable, formatBytes, formatDuration, formatLoss, formatPercent } from '@chorale/ui';
import type { Column } from '@chorale/ui';
import { Epsilon } from '../Epsilon.tsx';
import { messages } from '../messages.ts';
import { localAccuracy } from '../summary.ts';

const text = messages.run;
const { none } = messages.runs;

const orNone = (value: number | null, format: (value: number) => string) =>
  value === null ? none : format(value);

const localAccuracyColumn: Column<RoundRecord> = {
  header: text.columns.localAccuracy,
  align: 'end',
  cell: (record) => {
    const local = localAccuracy(record);
    return local === null ? none : `${formatPercent(local.share)} ± ${formatPercent(local.margin)}`;
  },
};

const columnsOf = (isPrivate: boolean, hasLocalMetrics: boolean): Column<RoundRecord>[] => [
  { header: text.columns.round, cell: ({ round }) => (round === 0 ? text.start : round) },
  {
    header: text.columns.attempt,
    align: 'end',
    cell: ({ round, attempt }) => (round === 0 ? none : attempt),
  },
  { header: text.columns.cohort, align: 'end', cell: ({ round, cohort }) => (round === 0 ? none : cohort) },
  {
    header: text.columns.received,
    align: 'end',
    cell: ({ round, received }) => (round === 0 ? none : received),
  },
  {
    header: text.columns.accuracy,
    align: 'end',
    cell: ({ testAccuracy }) => orNone(testAccuracy, formatPercent),
  },
  ...(hasLocalMetrics ? [localAccuracyColumn] : []),
  { header: text.columns.loss, align: 'end', cell: ({ testLoss }) => orNone(testLoss, formatLoss) },
  {
    header: text.columns.epsilon,
    align: 'end',
    cell: ({ spentEpsilon }) => <Epsilon value={spentEpsilon} isPrivate={isPrivate} />,
  },
  {
    header: text.columns.bytes,
    align: 'end',
    cell: ({ round, uplinkBytes }) => (round === 0 ? none : formatBytes(uplinkBytes)),
  },
  { header: text.columns.duration, align: 'end', cell: ({ durationMs }) => formatDuration(durationMs) },
];

/** Every finished round, newest first. */
export function RoundsCard({ rounds, isPrivate }: { rounds: readonly RoundRecord[]; isPrivate: boolean }) {
  const hasLocalMetrics = rounds.some(({ localMetrics }) => localMetrics !== null);
  return (
    <Card title={text.rounds}>
      <DataTable
        caption={text.rounds}
        columns={columnsOf(isPrivate, hasLocalMetrics)}
        rows={rounds.toReversed()}
        rowKey={({ round }) => round}
        empty={<p>{text.roundsEmpty}</p>}
        tall
      />
    </Card>
  );
}
