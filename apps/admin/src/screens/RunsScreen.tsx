import {
  Card,
  Progress,
  Stat,
  StatusChip,
  formatCount,
  formatEpsilon,
  formatPercent,
  formatSentence,
  useNow,
} from '@chorale/ui';
import { STATUS_LOOKS } from '../looks.ts';
import { Epsilon } from '../Epsilon.tsx';
import { messages } from '../messages.ts';
import { Link } from '../router.tsx';
import type { KnownRun } from '../source/AdminSource.ts';
import { lastAccuracy, worstEpsilon } from '../summary.ts';

const text = messages.runs;

/** All runs, newest first, each with where it is and how well it does. */
export function RunsScreen({ runs }: { runs: readonly KnownRun[] }) {
  const now = useNow(10_000);
  return (
    <>
      <h1>{text.title}</h1>
      {runs.length === 0 ? (
        <Card title={text.emptyTitle}>
          <p>{text.empty}</p>
          <p>
            <code>{text.emptyCommand}</code>
          </p>
        </Card>
      ) : (
        <ul className="runs">
          {runs.map((run) => (
            <RunItem key={run.detail.run.runId} run={run} now={now} />
          ))}
        </ul>
      )}
    </>
  );
}

function RunItem({ run: { detail }, now }: { run: KnownRun; now: number }) {
  const { run, state, plannedEpsilon } = detail;
  const { config, model } = run.plan;
  const accuracy = lastAccuracy(detail);
  const isPrivate = config.privacy.unit !== 'none';
  const spent = worstEpsilon(detail);
  return (
    <li className="ch-card">
      <div className="ch-card-head">
        <h2>
          <Link to={{ screen: 'run', runId: run.runId }}>{config.name}</Link>
        </h2>
        <span className="ch-row">
          {!isPrivate && <StatusChip tone="bad" word={text.unprotectedRun} />}
          <StatusChip {...STATUS_LOOKS[state.status]} word={messages.status[state.status]} />
        </span>
      </div>
      <p className="ch-small ch-muted">
        <code>{run.runId}</code> · {text.model(model.name, config.adapter.rank, config.rounds.cohortSize)} ·{' '}
        <time
          dateTime={new Date(detail.createdAt).toISOString()}
          title={new Date(detail.createdAt).toLocaleString('en')}
        >
          {text.created(now - detail.createdAt)}
        </time>
      </p>
      <p>{formatSentence(state.reason)}</p>
      <Progress
        label={text.progress}
        value={state.adapterVersion}
        max={state.roundCount}
        detail={text.of(state.adapterVersion, state.roundCount)}
      />
      <dl className="ch-stats">
        <Stat label={text.accuracy}>{accuracy === null ? text.none : formatPercent(accuracy)}</Stat>
        <Stat label={text.epsilon}>
          <Epsilon value={spent} isPrivate={isPrivate} />
          {plannedEpsilon !== null && ` / ${formatEpsilon(plannedEpsilon)}`}
        </Stat>
        <Stat label={text.online}>
          {formatCount(detail.contributors.filter(({ online }) => online).length)}
        </Stat>
      </dl>
    </li>
  );
}
