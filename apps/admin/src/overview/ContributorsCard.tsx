import type { ContributorSummary } from '@chorale/protocol';
import { Card, DataTable, StatusChip, formatEpsilon } from '@chorale/ui';
import type { Column } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.run.contributor;

const COLUMNS: readonly Column<ContributorSummary>[] = [
  { header: text.id, cell: ({ contributorId }) => <code>{contributorId}</code> },
  { header: text.state, cell: (contributor) => <State contributor={contributor} /> },
  { header: text.backend, cell: ({ backend }) => messages.backends[backend] },
  { header: text.rounds, align: 'end', cell: ({ rounds }) => rounds },
  {
    header: text.epsilon,
    align: 'end',
    cell: ({ spentEpsilon }) => (spentEpsilon === null ? messages.runs.none : formatEpsilon(spentEpsilon)),
  },
  {
    header: text.refusal,
    cell: ({ lastRefusal }) => (lastRefusal === null ? text.noRefusal : <code>{lastRefusal}</code>),
  },
];

/** Everybody who ever joined, by their random ids; those online first. */
export function ContributorsCard({ contributors }: { contributors: readonly ContributorSummary[] }) {
  return (
    <Card title={messages.run.contributors}>
      <DataTable
        caption={messages.run.contributors}
        columns={COLUMNS}
        rows={contributors.toSorted((a, b) => Number(b.online) - Number(a.online))}
        rowKey={({ contributorId }) => contributorId}
        empty={<p>{messages.run.contributorsEmpty}</p>}
        tall
      />
    </Card>
  );
}

function State({ contributor }: { contributor: ContributorSummary }) {
  if (!contributor.online) return <StatusChip tone="neutral" shape="dashed" word={text.offline} />;
  if (!contributor.available) return <StatusChip tone="warn" shape="pause" word={text.paused} />;
  return <StatusChip tone="good" shape="dot" word={text.online} />;
}
