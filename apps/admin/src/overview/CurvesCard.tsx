import type { RoundRecord, RunDetail } from '@chorale/protocol';
import type { ChartPoint } from '@chorale/ui';
import { Card, LineChart, formatLoss, formatPercent } from '@chorale/ui';
import { messages } from '../messages.ts';
import { localAccuracy } from '../summary.ts';

const text = messages.run;

/** Test accuracy and test loss of the global adapter, round by round; and on contributors' own rows, if the run asks. */
export function CurvesCard({ detail }: { detail: RunDetail }) {
  const { evaluation, localMetrics } = detail.run.plan.config;
  const chart = (title: string, points: ChartPoint[], formatValue: (value: number) => string) => {
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
  const measured = (pick: (record: RoundRecord) => number | null) =>
    detail.rounds.map((record) => ({ round: record.round, value: pick(record) }));
  return (
    <Card title={text.curves}>
      {evaluation === undefined && <p className="ch-muted">{text.noEvaluation}</p>}
      <div className="ch-columns">
        {evaluation !== undefined && (
          <>
            <LineChart
              {...chart(
                text.accuracy,
                measured((record) => record.testAccuracy),
                formatPercent,
              )}
            />
            <LineChart
              {...chart(
                text.loss,
                measured((record) => record.testLoss),
                formatLoss,
              )}
              series={2}
            />
          </>
        )}
        {localMetrics !== undefined && (
          <div className="ch-stack ch-stack-tight">
            <LineChart {...chart(text.localAccuracy, localPoints(detail.rounds), formatPercent)} />
            <p className="ch-small ch-muted">{text.localAccuracyNote}</p>
          </div>
        )}
      </div>
    </Card>
  );
}

/** Tabs count with the adapter that a round begins with, so round 1 says how good the one of round 0 is. */
function localPoints(records: readonly RoundRecord[]): ChartPoint[] {
  return records
    .filter(({ round }) => round > 0)
    .map((record) => {
      const local = localAccuracy(record);
      const round = record.round - 1;
      return local === null ? { round, value: null } : { round, value: local.share, margin: local.margin };
    });
}
