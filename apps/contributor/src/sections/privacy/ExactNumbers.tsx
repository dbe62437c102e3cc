import type { RunPlan } from '@chorale/protocol';
import type { Limits } from '@chorale/client';
import { formatCount, formatEpsilon, formatNumber, formatPercent, formatSentence } from '@chorale/ui';
import { messages } from '../../messages.ts';

const text = messages.privacy;

export type ExactNumbersProps = {
  plan: RunPlan;
  epsilon: number | null;
  /** Why an epsilon on this page is not the tight accountant's; null when it is. */
  accountingNote: string | null;
  /** Hers, shown here once they are fixed; null before. */
  limits: Limits | null;
};

/** All the constants of the mechanism, for who wants to check them. Nothing for a run that has none. */
export function ExactNumbers({ plan, epsilon, accountingNote, limits }: ExactNumbersProps) {
  const { training, privacy, localMetrics } = plan.config;
  if (privacy.unit === 'none') return null;
  const names = text.facts;
  const facts: [string, string | null][] = [
    [names.epsilon, epsilon === null ? null : formatEpsilon(epsilon)],
    [names.delta, formatNumber(privacy.targetDelta)],
    [names.accountant, accountingNote === null ? names.accountantText : formatSentence(accountingNote)],
    [names.relation, names.relationText[privacy.unit]],
    [names.noise, formatNumber(plan.noiseMultiplier)],
    [names.noiseKind, names.noiseKinds[privacy.noise]],
    [names.clipping, names.clippingRules[training.clipping](training.clippingNorm)],
    [names.sampling, formatPercent(training.samplingRate)],
    [names.steps, formatCount(training.localSteps)],
    [names.counts, localMetrics === undefined ? null : formatNumber(localMetrics.noiseMultiplier)],
    [
      text.limits.leastNoiseMultiplier,
      limits === null ? null : formatNumber(limits.leastNoiseMultiplier ?? 0),
    ],
    [text.limits.mostRounds, limits === null ? null : formatCount(limits.mostRounds)],
  ];
  return (
    <details className="ch-details">
      <summary>{text.numbers}</summary>
      <dl className="ch-facts">
        {facts.map(([name, value]) => value !== null && <Fact key={name} name={name} value={value} />)}
      </dl>
    </details>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
