import { useEffect, useRef } from 'react';
import type { BackendName, PublicRun } from '@chorale/protocol';
import type { ContributorState, Limits } from '@chorale/client';
import { CopyField, Notice } from '@chorale/ui';
import { allowedEpsilon } from '../limits.ts';
import { messages } from '../messages.ts';
import { Consent } from './privacy/Consent.tsx';
import { ExactNumbers } from './privacy/ExactNumbers.tsx';
import { OwnLimits } from './privacy/OwnLimits.tsx';
import { Protection } from './privacy/Protection.tsx';
import { WhatLeaves } from './privacy/WhatLeaves.tsx';
import { useLimitDrafts } from './privacy/useLimitDrafts.ts';

const text = messages.privacy;

export type PrivacySectionProps = Pick<
  ContributorState,
  'limits' | 'plannedEpsilon' | 'spentEpsilon' | 'otherRunsEpsilon' | 'ledgerProblem' | 'accountingNote'
> & {
  run: PublicRun;
  backend: BackendName;
  joined: boolean;
  agreedAt: Date | null;
  onLimits: (limits: Limits) => void;
  onAgree: () => void;
  onDecline: () => void;
};

/** Section 4: what leaves and what stays, how well it is protected, her own limits, whom one trusts; then the question. */
export function PrivacySection({
  run,
  backend,
  limits,
  plannedEpsilon,
  spentEpsilon,
  otherRunsEpsilon,
  ledgerProblem,
  accountingNote,
  joined,
  agreedAt,
  onLimits,
  onAgree,
  onDecline,
}: PrivacySectionProps) {
  const { plan, planHash } = run.run;
  const isPrivate = plan.config.privacy.unit !== 'none';
  const epsilon = allowedEpsilon(limits, plannedEpsilon);
  const drafts = useLimitDrafts(limits?.limits ?? null, onLimits);
  const limitsFold = useRef<HTMLDetailsElement>(null);
  const hasProblem = limits !== null && limits.problem !== null;
  const wasJoined = useRef(joined);
  // Limits that were kept from an earlier visit can be out of place before anybody opens the fold. Those that refuse the
  // run just after she agreed bring her back here, with the focus.
  useEffect(() => {
    if (hasProblem && !joined) openFold(limitsFold.current, wasJoined.current);
    wasJoined.current = joined;
  }, [hasProblem, joined]);
  return (
    <>
      {!isPrivate && (
        <Notice kind="error" loud title={text.noneTitle}>
          <p>{text.noneText}</p>
        </Notice>
      )}
      <WhatLeaves plan={plan} backend={backend} />
      <Protection plan={plan} epsilon={epsilon} otherRunsEpsilon={otherRunsEpsilon} />
      {ledgerProblem !== null && !joined && (
        <Notice kind="error" title={text.ledgerProblem} announce>
          <p>{ledgerProblem.message}</p>
        </Notice>
      )}
      {limits !== null && !joined && (
        <OwnLimits
          view={limits}
          plan={plan}
          plannedEpsilon={plannedEpsilon}
          spentEpsilon={spentEpsilon}
          drafts={drafts}
          foldRef={limitsFold}
        />
      )}
      <details className="ch-details">
        <summary>{text.storageTitle}</summary>
        <p>{isPrivate ? text.storage.spending : text.storage.unprotected}</p>
      </details>
      <p>{isPrivate ? text.stopNote : text.stopNoteUnprotected}</p>
      <Notice kind="info" title={text.trustTitle}>
        <p>{text.trust}</p>
      </Notice>
      <ExactNumbers
        plan={plan}
        epsilon={epsilon}
        accountingNote={accountingNote}
        limits={joined ? (limits?.limits ?? null) : null}
      />
      <CopyField label={text.planHash} value={planHash} hint={text.planHashHint} texts={text.copy} />
      {!joined && (
        <Consent
          isPrivate={isPrivate}
          blocked={drafts.hasError || hasProblem}
          onBlocked={() => openFold(limitsFold.current, true)}
          onAgree={onAgree}
          onDecline={onDecline}
        />
      )}
      {agreedAt !== null && (
        <p className="ch-muted">{text.agreed(agreedAt.toLocaleTimeString('en', { timeStyle: 'short' }))}</p>
      )}
    </>
  );
}

function openFold(fold: HTMLDetailsElement | null, andFocus: boolean): void {
  if (fold === null) return;
  fold.open = true;
  if (!andFocus) return;
  const wrong = fold.querySelector<HTMLElement>('[aria-invalid="true"]') ?? fold.querySelector('summary');
  wrong?.focus();
  fold.scrollIntoView({ block: 'center' });
}
