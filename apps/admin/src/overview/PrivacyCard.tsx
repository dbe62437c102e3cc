import type { RunConfig, RunDetail } from '@chorale/protocol';
import { Card, Meter, Notice, formatCount, formatNumber } from '@chorale/ui';
import { messages } from '../messages.ts';
import { worstEpsilon } from '../summary.ts';

const text = messages.run.privacy;

/** The mechanism in words and numbers; what was spent of what is planned. */
export function PrivacyCard({ detail }: { detail: RunDetail }) {
  const { config, noiseMultiplier } = detail.run.plan;
  const { training, privacy } = config;
  if (privacy.unit === 'none') {
    return (
      <Card title={text.title}>
        <Notice kind="error" loud title={text.noneTitle}>
          <p>{text.none}</p>
        </Notice>
      </Card>
    );
  }
  const spent = worstEpsilon(detail);
  const { accountingNote } = detail;
  const { unit } = privacy;
  const names = text.facts;
  const facts: [string, string][] = [
    [names.unit, names.units[unit]],
    [names.relation, names.relations[unit]],
    [names.delta, formatNumber(privacy.targetDelta)],
    [names.noise, names.noiseText[unit](noiseMultiplier)],
    [names.noiseKind, names.noiseKinds[privacy.noise]],
    [names.clipping, names.clippingRules[training.clipping](training.clippingNorm)],
    ...(unit === 'example' ? sampledFacts(config) : releaseFacts(config)),
    [
      names.accountant,
      accountingNote === null ? names.accountantText : names.accountantOther(accountingNote),
    ],
  ];
  return (
    <Card title={text.title}>
      {spent !== null && detail.plannedEpsilon !== null && (
        <Meter
          label={text.spent}
          value={spent}
          max={detail.plannedEpsilon}
          text={text.spentOf(spent, detail.plannedEpsilon)}
          spentEpsilon={spent}
        />
      )}
      <p>{text.mechanism[unit]({ ...training, noiseMultiplier })}</p>
      <dl className="ch-facts">
        {facts.map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
    </Card>
  );
}

/** What only a mechanism over single rows has. */
function sampledFacts({ training, rounds, localMetrics }: RunConfig): [string, string][] {
  const names = text.facts;
  return [
    [names.sampling, formatNumber(training.samplingRate)],
    [names.steps, names.stepsText(training.localSteps, rounds.count)],
    [
      names.counts,
      localMetrics === undefined ? names.countsNone : names.countsText(localMetrics.noiseMultiplier),
    ],
  ];
}

/** What only a mechanism over a whole round's change has. */
function releaseFacts({ rounds }: RunConfig): [string, string][] {
  return [[text.facts.releases, formatCount(rounds.count)]];
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
