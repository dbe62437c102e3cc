import type { CohortMember } from '@chorale/protocol';
import { Card, StatusChip } from '@chorale/ui';
import { MEMBER_LOOKS } from '../looks.ts';
import { messages } from '../messages.ts';

const text = messages.run;

/** Every member of the open round's cohort, by shape, colour and word. */
export function CohortCard({ members, ended }: { members: readonly CohortMember[]; ended: boolean }) {
  return (
    <Card title={text.cohort}>
      {members.length === 0 ? (
        <p className="ch-muted">{ended ? text.cohortEnded : text.cohortEmpty}</p>
      ) : (
        <ul className="cohort">
          {members.map((member) => (
            <li key={member.contributorId} data-member-state={member.state}>
              <code>{member.contributorId.slice(0, 8)}</code>
              <StatusChip {...MEMBER_LOOKS[member.state]} word={text.members[member.state]} />
              <span className="ch-small ch-muted">{messages.backends[member.backend]}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
