import { percent, table } from './markdown.ts';
import type { Cell, Sst2Config } from './sst2Grid.ts';

export type Sst2Report = {
  bench: 'sst2';
  complete: boolean;
  machine: { cpu: string; cores: number; node: string; backend: string };
  config: Sst2Config;
  cells: Cell[];
};

/** The report as a Markdown page. */
export function sst2Markdown({ complete, machine, config, cells }: Sst2Report): string {
  const { learningRates } = config.grid;
  const { rounds, training } = config.run as unknown as {
    rounds: { count: number };
    training: { localSteps: number; expectedBatchSize: number };
  };
  const results = cells.map((cell) => {
    const epsilon = Math.max(...cell.perSeed.map((seed) => seed.epsilon ?? 0));
    const diverged = (cell.divergedSeeds ?? []).map((seed) => `diverged on seed ${seed}`);
    return [
      cell.strategy,
      cell.split,
      epsilon > 0 ? `${cell.privacy} (${epsilon} spent)` : cell.privacy,
      String(cell.learningRate),
      [...(cell.testAccuracy === null ? [] : [`**${percent(cell.testAccuracy)}**`]), ...diverged].join(', '),
      cell.devAccuracy === null ? '—' : percent(cell.devAccuracy),
      cell.meanAggregationError === null ? '—' : small(cell.meanAggregationError.mean),
      cell.uplinkBytesPerClient === null ? '—' : `${cell.uplinkBytesPerClient} B`,
    ];
  });
  const trials = cells.map((cell) => {
    const accuracies = cell.tried.map(({ devAccuracy }) => devAccuracy ?? 0);
    return [
      cell.strategy,
      cell.split,
      cell.privacy,
      ...learningRates.map((rate) => {
        const accuracy = cell.tried.find(({ learningRate }) => learningRate === rate)?.devAccuracy ?? null;
        if (accuracy === null) return 'diverged';
        const text = (100 * accuracy).toFixed(1);
        if (rate === cell.learningRate) return `**${text}**`;
        return accuracy === Math.min(...accuracies) ? `${text} (worst)` : text;
      }),
    ];
  });
  return `${[
    '# SST-2 with the tiny encoder',
    '',
    `Made from \`sst2.json\` by \`npm run bench:sst2\`.${complete ? '' : ' **Not complete.**'}`,
    '',
    `Whole sentences of SST-2, three clients, ${rounds.count} rounds of ${training.localSteps} local steps at an expected batch of ` +
      `${training.expectedBatchSize} rows; everything else stands in \`bench/configs/sst2.json\`. Every strategy was tried with the same ` +
      `learning rates (${learningRates.join(', ')}) on seed ${config.tuningSeed}; the one with the best dev accuracy after the last round then ran ` +
      `on the seeds ${config.seeds.join(', ')}. Accuracies in percent after the last round, mean ± sample standard deviation over the seeds; ` +
      'split, coins, noise, A and the head’s start all follow from the seed. The test file was used for nothing but the column of its name. ' +
      'The choice of the learning rate is not charged to epsilon.',
    '',
    `With ${config.seeds.length} seeds and a few hundred test rows wrong either way, differences under about two points say nothing.`,
    '',
    ...table(
      [
        'strategy',
        'clients',
        'privacy',
        'learning rate',
        'test accuracy',
        'dev accuracy',
        'aggregation error',
        'uplink',
      ],
      results,
    ),
    '',
    `What the learning rates were chosen from: dev accuracy after the last round on seed ${config.tuningSeed}, the best one in bold. ` +
      'The values of each seed stand in `sst2.json`, as `perSeed`.',
    '',
    ...table(['strategy', 'clients', 'privacy', ...learningRates.map((rate) => `rate ${rate}`)], trials),
    '',
    'Aggregation error and uplink (bytes a client sends in a round, at most) are explained in `docs/simulation.md`.',
    '',
    `Machine: ${machine.cpu}, ${machine.cores} cores (one used), Node ${machine.node}, backend ${machine.backend}.`,
  ].join('\n')}\n`;
}

function small(value: number): string {
  return value === 0 ? '0' : value.toExponential(1);
}
