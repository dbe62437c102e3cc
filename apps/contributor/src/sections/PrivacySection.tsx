import { useId, useRef, useState } from 'react';
import { encodedBytes } from '@chorale/protocol';
import type { BackendName, PublicRun } from '@chorale/protocol';
import { Button, CopyField, Notice, Shape, formatEpsilon, formatNumber, formatPercent } from '@chorale/ui';
import { messages } from '../messages.ts';
import { WEAK_EPSILON } from '../odds.ts';

const text = messages.privacy;

export type PrivacySectionProps = {
  run: PublicRun;
  backend: BackendName;
  /** What the whole plan costs, as this device computed it; null when privacy.unit is none. */
  agreedEpsilon: number | null;
  agreedAt: Date | null;
  onAgree: () => void;
  onDecline: () => void;
};

/** Section 4: what leaves and what stays, how well one row is protected, whom one trusts; then the question. */
export function PrivacySection({
  run,
  backend,
  agreedEpsilon,
  agreedAt,
  onAgree,
  onDecline,
}: PrivacySectionProps) {
  const { plan, planHash } = run.run;
  const { training, rounds, privacy } = plan.config;
  const isPrivate = privacy.unit === 'example';
  return (
    <>
      {!isPrivate && (
        <Notice kind="error" loud title={text.noneTitle}>
          <p>{text.noneText}</p>
        </Notice>
      )}
      <div className="sides">
        <div className="side side-stays">
          <h3>
            <Shape name="dot" />
            {text.stays}
          </h3>
          <ul>
            {[...text.staysList, ...(isPrivate ? [text.staysPrivate] : [])].map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
        <div className="side side-leaves">
          <h3>
            <Shape name="arrow" />
            {text.leaves}
          </h3>
          <ul>
            <li>
              {text.leavesNumbers(plan.parameterCount, encodedBytes(plan.parameterCount), rounds.count)}
            </li>
            {!isPrivate && <li>{text.noneLeaves}</li>}
            {text.leavesList(messages.device.shortNames[backend]).map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
      </div>
      {isPrivate && (
        <>
          <h3>{text.protectedTitle}</h3>
          <p>
            {text.protectedText(
              training.localSteps,
              training.clippingNorm,
              plan.noiseMultiplier,
              plan.parameterCount,
            )}
          </p>
          <Odds epsilon={agreedEpsilon} delta={privacy.targetDelta} />
          <details className="ch-details">
            <summary>{text.numbers}</summary>
            <dl className="ch-facts">
              {agreedEpsilon !== null && (
                <>
                  <dt>{text.epsilon}</dt>
                  <dd>{formatEpsilon(agreedEpsilon)}</dd>
                </>
              )}
              <dt>{text.delta}</dt>
              <dd>{formatNumber(privacy.targetDelta)}</dd>
              <dt>{text.noise}</dt>
              <dd>{formatNumber(plan.noiseMultiplier)}</dd>
              <dt>{text.clipping}</dt>
              <dd>{formatNumber(training.clippingNorm)}</dd>
              <dt>{text.sampling}</dt>
              <dd>{formatPercent(training.samplingRate)}</dd>
              <dt>{text.steps}</dt>
              <dd>{training.localSteps}</dd>
            </dl>
          </details>
        </>
      )}
      <p>{isPrivate ? text.stopNote : text.stopNoteUnprotected}</p>
      <Notice kind="info" title={text.trustTitle}>
        <p>{text.trust}</p>
      </Notice>
      <CopyField label={text.planHash} value={planHash} hint={text.planHashHint} texts={text.copy} />
      {agreedAt === null ? (
        <Consent onAgree={onAgree} onDecline={onDecline} />
      ) : (
        <p className="ch-muted">{text.agreed(agreedAt.toLocaleTimeString('en', { timeStyle: 'short' }))}</p>
      )}
    </>
  );
}

function Odds({ epsilon, delta }: { epsilon: number | null; delta: number }) {
  if (epsilon === null) return <p>{text.unitText}</p>;
  return (
    <>
      <h3>{text.oddsTitle}</h3>
      <p className="odds">{text.odds(epsilon, delta)}</p>
      {epsilon >= WEAK_EPSILON && (
        <Notice kind="warn" title={text.weakTitle}>
          <p>{text.weakText}</p>
        </Notice>
      )}
      <p>{text.unitText}</p>
    </>
  );
}

function Consent({ onAgree, onDecline }: { onAgree: () => void; onDecline: () => void }) {
  const [checked, setChecked] = useState(false);
  const [missing, setMissing] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  const errorId = useId();
  const agree = () => {
    if (checked) return onAgree();
    setMissing(true);
    box.current?.focus();
  };
  return (
    <div className="consent ch-stack">
      <label className="ch-check">
        <input
          ref={box}
          type="checkbox"
          checked={checked}
          aria-describedby={missing ? errorId : undefined}
          aria-invalid={missing || undefined}
          onChange={(event) => {
            setChecked(event.currentTarget.checked);
            setMissing(false);
          }}
        />
        {text.consent}
      </label>
      {missing && (
        <p id={errorId} className="ch-field-error" role="alert">
          {text.consentMissing}
        </p>
      )}
      {/* Both answers weigh the same: same look, same size. */}
      <div className="ch-row">
        <Button onClick={agree}>{text.agree}</Button>
        <Button onClick={onDecline}>{text.decline}</Button>
      </div>
    </div>
  );
}
