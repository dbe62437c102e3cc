import type { PublicRun, RoundRecord, RunState } from '@chorale/protocol';
import type { Loadable } from '@chorale/client';
import {
  Button,
  Notice,
  Progress,
  Stat,
  StatusChip,
  formatCount,
  formatPercent,
  formatSentence,
} from '@chorale/ui';
import type { Tone } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.run;

export type RunSectionProps = {
  run: Loadable<PublicRun>;
  runState: RunState | null;
  rounds: RoundRecord[];
  over: boolean;
  onRetry: () => void;
};

/** Section 1: what the run is for, who runs it, how far it is. */
export function RunSection({ run, runState, rounds, over, onRetry }: RunSectionProps) {
  switch (run.status) {
    case 'none':
    case 'loading':
      return <Progress label={text.loading} value={run.status === 'loading' ? run.fraction : null} />;
    case 'failed':
      return (
        <Notice kind="error" title={text.failedTitle} announce>
          <p>{run.error.message}</p>
          <div>
            <Button onClick={onRetry}>{messages.tryAgain}</Button>
          </div>
        </Notice>
      );
    case 'ready': {
      const state = runState ?? run.value.state;
      const { config, model } = run.value.run.plan;
      const accuracy = (rounds.length > 0 ? rounds : run.value.rounds).findLast(
        (record) => record.testAccuracy !== null,
      )?.testAccuracy;
      return (
        <>
          <p className="purpose">{config.purpose === '' ? text.noPurpose : config.purpose}</p>
          <dl className="ch-facts">
            <dt>{text.operator}</dt>
            <dd>{config.operator === '' ? text.noOperator : config.operator}</dd>
            <dt>{text.learns}</dt>
            <dd>
              <ul className="labels">
                {config.task.labels.map((label) => (
                  <li key={label}>{label}</li>
                ))}
              </ul>
            </dd>
            <dt>{text.model}</dt>
            <dd>{model.name}</dd>
            <dt>{text.protection}</dt>
            <dd>
              {config.privacy.unit === 'none' ? (
                <strong className="ch-bad">{text.protectionOf.none}</strong>
              ) : (
                text.protectionOf[config.privacy.unit]
              )}
            </dd>
          </dl>
          <div className="ch-row">
            <StatusChip tone={TONES[state.status]} word={text.status[state.status]} />
            <span className="ch-small ch-muted">{formatSentence(state.reason)}</span>
          </div>
          <Progress
            label={text.progress}
            value={state.adapterVersion}
            max={state.roundCount}
            detail={text.progressDetail(state.adapterVersion, state.roundCount)}
          />
          <dl className="ch-stats">
            <Stat label={text.available}>{formatCount(state.available)}</Stat>
            <Stat label={text.cohort}>{formatCount(state.cohortSize)}</Stat>
            {accuracy !== undefined && accuracy !== null && (
              <Stat label={text.accuracy}>{formatPercent(accuracy)}</Stat>
            )}
          </dl>
          {over && (
            <Notice kind="info" title={text.endedTitle}>
              <p>{text.ended(formatSentence(state.reason))}</p>
            </Notice>
          )}
        </>
      );
    }
  }
}

const TONES: Record<RunState['status'], Tone> = {
  recruiting: 'neutral',
  training: 'active',
  aggregating: 'active',
  evaluating: 'active',
  paused: 'warn',
  completed: 'good',
  stopped: 'neutral',
  failed: 'bad',
};
