import type { RunDetail } from '@chorale/protocol';
import { Card, Meter, Notice, formatNumber } from '@chorale/ui';
import { messages } from '../messages.ts';
import { worstEpsilon } from '../summary.ts';

const text = messages.run;

/** The mechanism in words and numbers; what was spent of what is planned. */
export function PrivacyCard({ detail }: { detail: RunDetail }) {
  const { config, noiseMultiplier } = detail.run.plan;
  const { training, rounds, privacy } = config;
  if (privacy.unit === 'none') {
    return (
      <Card title={text.privacy}>
        <Notice kind="error" loud title={text.noneTitle}>
          <p>{text.none}</p>
        </Notice>
      </Card>
    );
  }
  const spent = worstEpsilon(detail);
  const facts: [string, string][] = [
    [text.facts.unit, text.facts.unitExample],
    [text.facts.relation, text.facts.relationText],
    [text.facts.delta, formatNumber(privacy.targetDelta)],
    [text.facts.noise, formatNumber(noiseMultiplier)],
    [text.facts.clipping, formatNumber(training.clippingNorm)],
    [text.facts.sampling, formatNumber(training.samplingRate)],
    [text.facts.steps, text.facts.stepsText(training.localSteps, rounds.count)],
    [text.facts.accountant, text.facts.accountantText],
  ];
  return (
    <Card title={text.privacy}>
      {spent !== null && detail.plannedEpsilon !== null && (
        <Meter
          label={text.spent}
          value={spent}
          max={detail.plannedEpsilon}
          text={text.spentOf(spent, detail.plannedEpsilon)}
          spentEpsilon={spent}
        />
      )}
      <p>
        {text.mechanism(
          training.clippingNorm,
          noiseMultiplier,
          training.samplingRate,
          training.expectedBatchSize,
        )}
      </p>
      <dl className="ch-facts">
        {facts.map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
    </Card>
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
