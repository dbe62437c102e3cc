import type { Contribution } from '@chorale/client';
import { DataTable, StatusChip, formatBytes, formatEpsilon } from '@chorale/ui';
import type { Column, ShapeName, Tone } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.contribute;

/** Each round this tab worked on, newest first, and what became of it. */
export function ContributionsTable({
  contributions,
  isPrivate,
}: {
  contributions: Contribution[];
  isPrivate: boolean;
}) {
  const spent: Column<Contribution> = {
    header: text.spentAfter,
    align: 'end',
    cell: ({ spentEpsilon }) => {
      if (!isPrivate) return <strong className="ch-bad">{text.noProtection}</strong>;
      return spentEpsilon === null ? '–' : formatEpsilon(spentEpsilon);
    },
  };
  return (
    <>
      <h3>{text.yours}</h3>
      <DataTable
        caption={text.yours}
        columns={[
          { header: text.round, cell: ({ round }) => round },
          {
            header: text.outcome,
            cell: ({ outcome }) => <StatusChip {...LOOKS[outcome]} word={text.outcomes[outcome]} />,
          },
          spent,
          {
            header: text.size,
            align: 'end',
            cell: ({ payloadBytes }) => (payloadBytes === 0 ? '–' : formatBytes(payloadBytes)),
          },
        ]}
        rows={contributions.toReversed()}
        // A round can be tried again after it was given up.
        rowKey={({ round }, index) => `${round}/${contributions.length - index}`}
        empty={<p>{text.noneYet}</p>}
        tall
        stack
      />
      {contributions.some(({ outcome }) => outcome === 'restored') && (
        <p className="ch-small ch-muted">{text.restoredNote}</p>
      )}
      {contributions.some(({ outcome }) => outcome === 'refused') && (
        <p className="ch-small ch-muted">{text.refusedNote}</p>
      )}
    </>
  );
}

const LOOKS: Record<Contribution['outcome'], { tone: Tone; shape: ShapeName }> = {
  computing: { tone: 'active', shape: 'half' },
  sending: { tone: 'active', shape: 'arrow' },
  accepted: { tone: 'good', shape: 'check' },
  late: { tone: 'warn', shape: 'triangle' },
  refused: { tone: 'bad', shape: 'cross' },
  abandoned: { tone: 'neutral', shape: 'dashed' },
  restored: { tone: 'neutral', shape: 'info' },
  unsent: { tone: 'neutral', shape: 'dashed' },
  unanswered: { tone: 'warn', shape: 'triangle' },
};
