import type { RunDetail, RunPlan } from '@chorale/protocol';
import { Card, CopyField, formatCount } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.run;

/** What contributors agreed to: it never changes after the start. */
export function PlanCard({ detail }: { detail: RunDetail }) {
  const { plan, planHash } = detail.run;
  const { config } = plan;
  const { adapter, training, rounds } = config;
  const names = text.planFacts;
  const facts: [string, string][] = [
    [names.runId, detail.run.runId],
    [names.purpose, config.purpose === '' ? names.notGiven : config.purpose],
    [names.operator, config.operator === '' ? names.notGiven : config.operator],
    [names.model, modelText(plan.model)],
    [names.labels, config.task.labels.join(', ')],
    [names.adapter, names.adapterText(adapter.strategy, adapter.rank, adapter.alpha, adapter.targetModules)],
    [names.parameters, formatCount(plan.parameterCount)],
    [names.training, names.trainingText(training.localSteps, training.learningRate)],
    [
      names.rounds,
      names.roundsText(rounds.count, rounds.cohortSize, rounds.minimumUpdates, rounds.deadlineSeconds),
    ],
    [
      names.created,
      new Date(detail.createdAt).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' }),
    ],
  ];
  return (
    <Card title={text.plan}>
      <dl className="ch-facts">
        {facts.map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
      <CopyField label={text.planHash} value={planHash} hint={text.planHashHint} texts={messages.copy} />
      <details className="ch-details">
        <summary>{text.config}</summary>
        <pre className="config" tabIndex={0} role="region" aria-label={text.config}>
          {JSON.stringify(config, null, 2)}
        </pre>
      </details>
    </Card>
  );
}

/** A hub's model with the commit that was downloaded: the name alone may mean another one tomorrow. */
function modelText({ name, source }: RunPlan['model']): string {
  return source === null ? name : `${source.repository} @ ${source.revision}`;
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
