import type { RoundRecord } from '@chorale/protocol';
import { LineChart, formatLoss, formatPercent } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.contribute;

/** Public test results of the shared model, round by round. */
export function SharedModel({ rounds, roundCount }: { rounds: RoundRecord[]; roundCount: number }) {
  const chart = (
    title: string,
    pick: (record: RoundRecord) => number | null,
    formatValue: (value: number) => string,
  ) => {
    const points = rounds.map((record) => ({ round: record.round, value: pick(record) }));
    const known = points.filter((point) => point.value !== null);
    const first = known.at(0)?.value ?? null;
    const last = known.at(-1);
    return {
      title,
      points,
      roundCount,
      formatValue,
      texts: {
        ...text.chart,
        value: title,
        summary:
          first === null || last?.value === undefined || last.value === null
            ? text.chart.empty
            : text.chart.summary(title, formatValue(first), formatValue(last.value), last.round),
      },
    };
  };
  return (
    <>
      <h3>{text.shared}</h3>
      <p className="ch-small ch-muted">{text.sharedNote}</p>
      <div className="ch-columns">
        <LineChart {...chart(text.accuracy, (record) => record.testAccuracy, formatPercent)} />
        <LineChart {...chart(text.loss, (record) => record.testLoss, formatLoss)} series={2} />
      </div>
    </>
  );
}
