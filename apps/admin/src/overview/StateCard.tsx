import type { RunDetail } from '@chorale/protocol';
import { Card, Stat, StatusChip, formatCount, formatSentence, useNow } from '@chorale/ui';
import { STATUS_LOOKS } from '../looks.ts';
import { messages } from '../messages.ts';
import { phaseFraction, timeLeftMs } from '../summary.ts';
import { PhaseStrip } from './PhaseStrip.tsx';

const text = messages.run;

/** The present phase with its reason and its time limit, and the counters beside it. */
export function StateCard({ detail, receivedAt }: { detail: RunDetail; receivedAt: number }) {
  const now = useNow();
  const { state, contributors } = detail;
  const leftMs = timeLeftMs(state, receivedAt, now);
  const deadlineMs = 1000 * detail.run.plan.config.rounds.deadlineSeconds;
  return (
    <Card
      title={text.round(state.round, state.roundCount)}
      aside={<StatusChip {...STATUS_LOOKS[state.status]} word={messages.status[state.status]} />}
    >
      <PhaseStrip status={state.status} fraction={phaseFraction(state, leftMs, deadlineMs)} />
      <div>
        <p role="status">{formatSentence(state.reason)}</p>
        {/* Outside the live region: it changes every second. */}
        {leftMs !== null && <p className="ch-muted">{text.timeLeft(leftMs)}</p>}
      </div>
      <dl className="ch-stats">
        <Stat label={text.online}>{formatCount(contributors.filter(({ online }) => online).length)}</Stat>
        <Stat label={text.available}>{messages.runs.of(state.available, state.cohortSize)}</Stat>
        <Stat label={text.inCohort}>{formatCount(state.cohort)}</Stat>
        <Stat label={text.received}>{formatCount(state.received)}</Stat>
        <Stat label={text.refusals}>
          {formatCount(contributors.filter(({ lastRefusal }) => lastRefusal !== null).length)}
        </Stat>
        <Stat label={text.version}>{formatCount(state.adapterVersion)}</Stat>
      </dl>
    </Card>
  );
}
