import type { RoundRecord, RunDetail } from '@chorale/protocol';
import { Card, LineChart, formatLoss, formatPercent } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.run;

/** Test accuracy and test loss of the global adapter, round by round. */
export function CurvesCard({ detail }: { detail: RunDetail }) {
  if (detail.run.plan.config.evaluation === undefined) {
    return (
      <Card title={text.curves}>
        <p className="ch-muted">{text.noEvaluation}</p>
      </Card>
    );
  }
  const chart = (
    title: string,
    pick: (record: RoundRecord) => number | null,
    formatValue: (value: number) => string,
  ) => {
    const points = detail.rounds.map((record) => ({ round: record.round, value: pick(record) }));
    const known = points.flatMap(({ round, value }) => (value === null ? [] : [{ round, value }]));
    const first = known.at(0);
    const last = known.at(-1);
    return {
      title,
      points,
      roundCount: detail.state.roundCount,
      formatValue,
      texts: {
        ...text.chart,
        value: title,
        summary:
          first === undefined || last === undefined
            ? text.chart.empty
            : text.chart.summary(title, formatValue(first.value), formatValue(last.value), last.round),
      },
    };
  };
  return (
    <Card title={text.curves}>
      <div className="ch-columns">
        <LineChart {...chart(text.accuracy, (record) => record.testAccuracy, formatPercent)} />
        <LineChart {...chart(text.loss, (record) => record.testLoss, formatLoss)} series={2} />
      </div>
    </Card>
  );
}
