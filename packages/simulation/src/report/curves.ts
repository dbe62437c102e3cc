import type { RunConfig } from '@chorale/protocol';
import type { SimulatedRound } from '../seedState.ts';
import { spreadOf } from '../statistics.ts';
import type { SeedSummary, SimulationSummary } from '../summary.ts';
import { percent, short } from './formats.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Chart, ChartLine } from './lineChart.ts';
import { lineChart } from './lineChart.ts';

type Measure = Pick<Chart, 'title' | 'explanation' | 'format'> & {
  /** Before the first round; null where there was nothing to measure. */
  initial: (seed: SeedSummary) => number | null;
  after: (round: SimulatedRound) => number | null;
};

/** The curves of a simulation: one line a seed, and their mean; what was not measured has no chart. */
export function curves(summary: SimulationSummary, rounds: ReadonlyMap<number, SimulatedRound[]>): Html {
  const charts = measuresOf(summary.run).map(({ initial, after, ...measure }) => {
    const lines = summary.seeds.map((seed): ChartLine => {
      const values = [
        { round: 0, value: initial(seed) },
        ...(rounds.get(seed.seed) ?? []).map((record) => ({ round: record.round, value: after(record) })),
      ];
      return {
        name: `seed ${seed.seed}`,
        points: values.flatMap(({ round, value }) => (value === null ? [] : [{ round, value }])),
      };
    });
    return lineChart({ ...measure, lines, mean: meanOf(lines), lastRound: summary.run.rounds.count });
  });
  return html`<div class="charts">${charts}</div>`;
}

function measuresOf({ privacy }: RunConfig): Measure[] {
  const measures: Measure[] = [
    {
      title: 'Test accuracy',
      explanation: 'Share of the test rows that the global adapter gets right.',
      format: percent,
      initial: (seed) => seed.initialAccuracy,
      after: (round) => round.testAccuracy,
    },
    {
      title: 'Test loss',
      explanation: 'Mean cross entropy over the test rows, in nats.',
      format: short,
      initial: (seed) => seed.initialLoss,
      after: (round) => round.testLoss,
    },
    {
      title: 'Aggregation error',
      explanation: '‖avg(BA) − avg(B)avg(A)‖ relative to the round’s change of BA.',
      format: short,
      initial: () => null,
      after: (round) => round.aggregationError,
    },
  ];
  if (privacy.unit === 'none') return measures;
  const spent: Measure = {
    title: 'Epsilon spent',
    explanation: `By the client who took part most often, at delta ${short(privacy.targetDelta)}, privacy unit ${privacy.unit}.`,
    format: short,
    initial: () => 0,
    after: (round) => round.epsilon,
  };
  return measures.toSpliced(2, 0, spent);
}

/** The mean over the lines, in rounds that all of them have; null: there is nothing to average. */
function meanOf(lines: readonly ChartLine[]): ChartLine | null {
  const [first] = lines;
  if (first === undefined || lines.length === 1) return null;
  const points = first.points.flatMap(({ round }) => {
    const values = lines.flatMap((line) => line.points.find((point) => point.round === round)?.value ?? []);
    return values.length === lines.length ? [{ round, value: spreadOf(values)!.mean }] : [];
  });
  return { name: 'mean', points };
}
