import { useCallback, useState } from 'react';
import type { AuditEntry } from '@chorale/protocol';
import { ActionButton, Card, DataTable, Notice, Progress, useLoaded } from '@chorale/ui';
import type { Column } from '@chorale/ui';
import { messages } from '../messages.ts';
import { Link } from '../router.tsx';
import type { AdminSource } from '../source/AdminSource.ts';
import { brokenEntry } from './brokenEntry.ts';
import { RotateCard } from './RotateCard.tsx';
import { safetyMessages } from './safetyMessages.ts';

const text = safetyMessages.logScreen;
const PAGE_SIZE = 50;

/** What admins did on this server, and the link by which they sign in. */
export function LogScreen({ source }: { source: Pick<AdminSource, 'audit' | 'rotateToken'> }) {
  const [rotations, setRotations] = useState(0);
  const [older, setOlder] = useState<readonly AuditEntry[]>([]);
  const load = useCallback(() => source.audit(null, PAGE_SIZE), [source]);
  const { value: newest, error: problem } = useLoaded(load, rotations);
  const checkAll = useCallback(() => brokenEntry([...(newest ?? []), ...older]), [newest, older]);
  const { value: broken } = useLoaded(checkAll, 0);
  const last = older.at(-1) ?? newest?.at(-1);
  const loadOlder = async () => {
    const page = await source.audit(last!.sequence, PAGE_SIZE);
    setOlder([...older, ...page]);
  };

  return (
    <>
      <nav aria-label={messages.toRuns}>
        <Link to={{ screen: 'runs' }}>← {messages.toRuns}</Link>
      </nav>
      <h1>{text.title}</h1>
      <p>{text.intro}</p>
      <RotateCard
        source={source}
        onRotated={() => {
          // What is newest moves on by the new entries: what was older than it must not leave a gap
          setOlder([]);
          setRotations((count) => count + 1);
        }}
      />
      {broken !== null && <Notice kind="error" title={text.broken(broken)} announce />}
      {problem !== null && <Notice kind="error" title={problem} announce />}
      {newest === null ? (
        problem === null && <Progress label={text.loading} value={null} />
      ) : (
        <Card title={text.entries}>
          <DataTable
            caption={text.entries}
            columns={COLUMNS}
            rows={[...newest, ...older]}
            rowKey={({ sequence }) => sequence}
            empty={<p>{text.empty}</p>}
            stack
          />
          {last !== undefined && last.sequence > 1 && (
            <div className="ch-row">
              <ActionButton onAction={loadOlder}>{text.older}</ActionButton>
            </div>
          )}
        </Card>
      )}
    </>
  );
}

const COLUMNS: Column<AuditEntry>[] = [
  {
    header: text.columns.time,
    cell: ({ at }) => (
      <time dateTime={new Date(at).toISOString()}>
        {new Date(at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'medium' })}
      </time>
    ),
  },
  { header: text.columns.act, cell: ({ act }) => text.acts[act] },
  {
    header: text.columns.run,
    cell: ({ runId }) => (runId === null ? text.nothing : <Link to={{ screen: 'run', runId }}>{runId}</Link>),
  },
  {
    header: text.columns.actor,
    cell: ({ act, actor }) => {
      if (actor !== null) return <code>{actor}</code>;
      return act === 'server-start' ? text.server : text.nothing;
    },
  },
  { header: text.columns.address, cell: ({ address }) => address ?? text.nothing },
  { header: text.columns.detail, cell: ({ detail }) => (detail === '' ? text.nothing : detail) },
];
