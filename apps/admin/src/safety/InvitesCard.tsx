import { useCallback, useState } from 'react';
import type { CreatedInvite, Invite } from '@chorale/protocol';
import {
  Card,
  ConfirmButton,
  CopyField,
  DataTable,
  Notice,
  Progress,
  StatusChip,
  formatSentence,
  useLoaded,
} from '@chorale/ui';
import type { Column } from '@chorale/ui';
import { messages } from '../messages.ts';
import type { AdminSource } from '../source/AdminSource.ts';
import { inviteState } from './inviteState.ts';
import type { InviteState } from './inviteState.ts';
import { NewInviteForm } from './NewInviteForm.tsx';
import { safetyMessages } from './safetyMessages.ts';

const text = safetyMessages.invites;

export type InvitesCardProps = {
  runId: string;
  source: Pick<AdminSource, 'invites' | 'createInvite' | 'withdrawInvite'>;
  /** Nobody has joined yet. */
  first: boolean;
  /** How many have joined: whoever joins uses up an invite, so the list is asked for anew. */
  joined: number;
};

/** Makes, lists and withdraws the invites of a run that takes no others. */
export function InvitesCard({ runId, source, first, joined }: InvitesCardProps) {
  const [made, setMade] = useState<CreatedInvite | null>(null);
  const [changes, setChanges] = useState(0);
  const load = useCallback(() => source.invites(runId), [source, runId]);
  const { value: invites, error: problem } = useLoaded(load, `${joined} ${changes}`);
  const changed = () => setChanges((count) => count + 1);

  const withdraw = async (invite: Invite) => {
    await source.withdrawInvite(runId, invite.inviteId);
    if (made?.invite.inviteId === invite.inviteId) setMade(null);
    changed();
  };

  return (
    <Card title={text.title}>
      <p>{first ? text.first : text.intro}</p>
      <NewInviteForm
        onMake={async (invite) => {
          setMade(await source.createInvite(runId, invite));
          changed();
        }}
      />
      {made !== null && (
        <CopyField label={text.made} value={made.url} hint={text.madeHint} texts={messages.copy} />
      )}
      {problem !== null && <Notice kind="error" title={formatSentence(problem)} announce />}
      {invites === null ? (
        problem === null && <Progress label={text.loading} value={null} />
      ) : (
        <DataTable
          caption={text.list}
          columns={columnsOf(withdraw)}
          rows={invites.toReversed()}
          rowKey={({ inviteId }) => inviteId}
          empty={<p className="ch-muted">{text.empty}</p>}
          stack
        />
      )}
    </Card>
  );
}

const LOOKS = {
  open: { tone: 'good', shape: 'dot' },
  used: { tone: 'neutral', shape: 'check' },
  expired: { tone: 'neutral', shape: 'square' },
  withdrawn: { tone: 'neutral', shape: 'cross' },
} as const satisfies Record<InviteState, object>;

function columnsOf(withdraw: (invite: Invite) => Promise<void>): Column<Invite>[] {
  return [
    {
      header: text.columns.note,
      cell: ({ note }) => (note === '' ? <span className="ch-muted">{text.noNote}</span> : note),
    },
    { header: text.columns.used, align: 'end', cell: text.usedOf },
    {
      header: text.columns.expires,
      cell: ({ expiresAt }) =>
        expiresAt === null
          ? text.never
          : new Date(expiresAt).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' }),
    },
    {
      header: text.columns.state,
      cell: (invite) => {
        const state = inviteState(invite, Date.now());
        return <StatusChip {...LOOKS[state]} word={text.states[state]} />;
      },
    },
    {
      header: text.columns.action,
      cell: (invite) =>
        inviteState(invite, Date.now()) === 'open' && (
          <ConfirmButton
            label={text.withdraw(invite.note)}
            question={text.withdrawQuestion}
            confirmLabel={text.withdrawConfirm}
            cancelLabel={text.withdrawCancel}
            onConfirm={() => withdraw(invite)}
          />
        ),
    },
  ];
}
