import type { ContributorSummary } from '@chorale/protocol';
import { Card, DataTable, StatusChip } from '@chorale/ui';
import type { Column } from '@chorale/ui';
import { Epsilon } from '../Epsilon.tsx';
import { AVAILABILITY_LOOKS } from '../looks.ts';
import { messages } from '../messages.ts';

const text = messages.run.contributor;

const columnsOf = (isPrivate: boolean): Column<ContributorSummary>[] => [
  { header: text.id, cell: ({ contributorId }) => <code>{contributorId}</code> },
  { header: text.state, cell: (contributor) => <State contributor={contributor} /> },
  { header: text.backend, cell: ({ backend }) => messages.backends[backend] },
  { header: text.stored, align: 'end', cell: ({ rounds }) => rounds },
  { header: text.charged, align: 'end', cell: ({ chargedRounds }) => chargedRounds },
  {
    header: text.epsilon,
    align: 'end',
    cell: ({ spentEpsilon }) => <Epsilon value={spentEpsilon} isPrivate={isPrivate} />,
  },
  {
    header: text.refusal,
    cell: ({ lastRefusal }) => (lastRefusal === null ? text.noRefusal : <code>{lastRefusal}</code>),
  },
];

/** Everybody who ever joined, by their random ids; those online first. */
export function ContributorsCard({
  contributors,
  isPrivate,
}: {
  contributors: readonly ContributorSummary[];
  isPrivate: boolean;
}) {
  return (
    <Card title={messages.run.contributors}>
      <DataTable
        caption={messages.run.contributors}
        columns={columnsOf(isPrivate)}
        rows={contributors.toSorted((a, b) => Number(b.online) - Number(a.online))}
        rowKey={({ contributorId }) => contributorId}
        empty={<p>{messages.run.contributorsEmpty}</p>}
        tall
        stack
      />
      {contributors.length > 0 && <p className="ch-small ch-muted">{messages.run.contributorsNote}</p>}
    </Card>
  );
}

function State({ contributor }: { contributor: ContributorSummary }) {
  if (!contributor.online) return <StatusChip tone="neutral" shape="dashed" word={text.offline} />;
  const { availability } = contributor;
  return <StatusChip {...AVAILABILITY_LOOKS[availability]} word={text.availability[availability]} />;
}
