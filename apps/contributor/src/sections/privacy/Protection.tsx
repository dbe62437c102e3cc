import type { RunPlan } from '@chorale/protocol';
import { largestUpdateCount } from '@chorale/protocol';
import { Notice } from '@chorale/ui';
import { messages } from '../../messages.ts';
import { WEAK_EPSILON } from '../../odds.ts';

const text = messages.privacy;

export type ProtectionProps = {
  plan: RunPlan;
  /** The most that can be spent in the run, by her limits; null when privacy.unit is none, or not known yet. */
  epsilon: number | null;
  /** Spent in other runs of this browser; null when there are none. */
  otherRunsEpsilon: number | null;
};

/** How the numbers are protected, how well in odds, and what that does not cover. */
export function Protection({ plan, epsilon, otherRunsEpsilon }: ProtectionProps) {
  const { training, privacy } = plan.config;
  if (privacy.unit === 'none') return <p className="odds odds-none">{text.noneOdds}</p>;
  const { unit, targetDelta } = privacy;
  return (
    <>
      <h3>{text.protectedTitle}</h3>
      <p>
        {text.protectedText[unit](
          training.localSteps,
          training.clippingNorm,
          plan.noiseMultiplier,
          largestUpdateCount(plan),
        )}
      </p>
      <h3>{text.oddsTitle[unit]}</h3>
      {epsilon !== null && (
        <>
          {/* Follows the limits below, so a change of those is read out. */}
          <p className="odds" role="status">
            {text.odds(unit, epsilon, targetDelta)}
          </p>
          {epsilon >= WEAK_EPSILON && (
            <Notice kind="warn" title={text.weakTitle}>
              <p>{text.weakText[unit]}</p>
            </Notice>
          )}
        </>
      )}
      <p>{text.unitText[unit]}</p>
      <h3>{text.notCoveredTitle}</h3>
      <ul className="lines">
        {text.notCovered[unit].map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {otherRunsEpsilon !== null && <Notice kind="warn" title={text.otherRuns(unit, otherRunsEpsilon)} />}
    </>
  );
}
