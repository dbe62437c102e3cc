import { Notice } from '@chorale/ui';
import { AdapterCard } from '../overview/AdapterCard.tsx';
import { CohortCard } from '../overview/CohortCard.tsx';
import { ContributorsCard } from '../overview/ContributorsCard.tsx';
import { ControlsCard } from '../overview/ControlsCard.tsx';
import { CurvesCard } from '../overview/CurvesCard.tsx';
import { PlanCard } from '../overview/PlanCard.tsx';
import { PrivacyCard } from '../overview/PrivacyCard.tsx';
import { RoundsCard } from '../overview/RoundsCard.tsx';
import { ShareCard } from '../overview/ShareCard.tsx';
import { InvitesCard } from '../safety/InvitesCard.tsx';
import { StateCard } from '../overview/StateCard.tsx';
import { messages } from '../messages.ts';
import { Link } from '../router.tsx';
import type { AdminSource, KnownRun } from '../source/AdminSource.ts';
import { hasEnded } from '../summary.ts';

const text = messages.run;

/** One run: where it is and why, what can be done, how it went so far, and what was agreed. */
export function RunScreen({ run, source }: { run: KnownRun | null; source: AdminSource }) {
  if (run === null) {
    return (
      <>
        <h1>{text.unknownTitle}</h1>
        <Notice kind="warn" title={text.unknown}>
          <p>
            <Link to={{ screen: 'runs' }}>{messages.toRuns}</Link>
          </p>
        </Notice>
      </>
    );
  }
  const { detail, receivedAt } = run;
  const isPrivate = detail.run.plan.config.privacy.unit !== 'none';
  const ended = hasEnded(detail.state);
  const joined = detail.contributors.length;
  const { runId } = detail.run;
  const share =
    detail.run.plan.config.access === 'invite' ? (
      <InvitesCard runId={runId} source={source} first={joined === 0} joined={joined} />
    ) : (
      <ShareCard runId={runId} first={joined === 0} />
    );
  const nobodyYet = joined === 0 && !ended;
  return (
    <>
      <nav aria-label={messages.toRuns}>
        <Link to={{ screen: 'runs' }}>← {messages.toRuns}</Link>
      </nav>
      <h1>{detail.run.plan.config.name}</h1>
      {!isPrivate && <Notice kind="error" title={text.privacy.noneTitle} />}
      {nobodyYet && share}
      <StateCard detail={detail} receivedAt={receivedAt} />
      <div className="pair">
        <CohortCard members={detail.members} ended={ended} />
        <ControlsCard state={detail.state} onAction={(action) => source.act(detail.run.runId, action)} />
      </div>
      <CurvesCard detail={detail} />
      <RoundsCard rounds={detail.rounds} isPrivate={isPrivate} />
      <div className="pair">
        <PrivacyCard detail={detail} />
        <div className="ch-stack">
          <AdapterCard runId={detail.run.runId} version={detail.state.adapterVersion} />
          {!nobodyYet && !ended && share}
        </div>
      </div>
      <ContributorsCard contributors={detail.contributors} isPrivate={isPrivate} />
      <PlanCard detail={detail} />
    </>
  );
}
