import type { RunConfig } from '@chorale/protocol';
import type { Spread } from '@chorale/simulation';
import { percent, table } from './markdown.ts';

/** What one encoding does to the demo's run. */
export type EncodingResult = {
  encoding: RunConfig['transport']['encoding'];
  /** Of one update, header and scales included. */
  updateBytes: number;
  /** After the last round, over the seeds. */
  testAccuracy: Spread;
  perSeed: { seed: number; testAccuracy: number; testLoss: number; epsilon: number }[];
  /** This test accuracy less that of f32 on the same seed, over the seeds; null of f32 itself. */
  againstF32: Spread | null;
  /** Root mean square norm of decoded − sent, over the root mean square norm of the noise in the update. */
  errorOverNoise: number;
  /** The same over the norm of the update. */
  errorOverUpdate: number;
  seconds: number;
};

export type EncodingsReport = {
  bench: 'encodings';
  machine: { cpu: string; cores: number; node: string; backend: string };
  run: RunConfig;
  seeds: number[];
  testRows: number;
  noiseMultiplier: number;
  results: EncodingResult[];
};

/** The report as a Markdown page. */
export function encodingsMarkdown(report: EncodingsReport): string {
  const { machine, run, seeds, testRows, results } = report;
  const { training, rounds } = run;
  const [first] = results;
  const lines = results.map((result) => [
    result.encoding,
    `${result.updateBytes} B`,
    `${((100 * result.updateBytes) / first!.updateBytes).toFixed(0)} %`,
    `**${percent(result.testAccuracy)}**`,
    result.againstF32 === null ? '—' : signed(result.againstF32),
    share(result.errorOverNoise),
    share(result.errorOverUpdate),
  ]);
  const epsilon = Math.max(...results.flatMap(({ perSeed }) => perSeed.map((seed) => seed.epsilon)));
  return `${[
    '# Accuracy against bytes: the encodings of updates',
    '',
    'Made from `encodings.json` by `npm run bench:encodings`.',
    '',
    `The demo's run (\`assets/runs/demo.json\`) on its three clients' rows, dealt out anew by each seed: ${rounds.count} rounds of ` +
      `${training.localSteps} local steps, ${rounds.cohortSize} clients, epsilon ${epsilon} spent. Nothing differs between the lines but ` +
      `\`transport.encoding\`: on one seed split, coins, noise, A and the head's start are the same. Test accuracy in percent after the last ` +
      `round, mean ± sample standard deviation over the seeds ${seeds.join(', ')}; one of ${testRows} test rows is ` +
      `${(100 / testRows).toFixed(1)} points.`,
    '',
    ...table(
      [
        'encoding',
        'update',
        'of f32',
        'test accuracy',
        'against f32, same seed',
        'error / noise',
        'error / update',
      ],
      lines,
    ),
    '',
    'The error is what rounding at random adds to a real noised update of the first round, as a root mean square over many encodings; ' +
      '“noise” is the expected norm of the Gaussian noise in that update, which the privacy mechanism adds to it anyway. Rounding is ' +
      'unbiased, so the errors of a cohort cancel out as its noise does. It comes after the mechanism and changes no epsilon.',
    '',
    `Machine: ${machine.cpu}, ${machine.cores} cores (one used), Node ${machine.node}, backend ${machine.backend}.`,
  ].join('\n')}\n`;
}

function signed({ mean, sd }: Spread): string {
  return `${mean < 0 ? '' : '+'}${percent({ mean, sd })}`;
}

function share(value: number): string {
  return value === 0 ? '0' : `${(100 * value).toPrecision(2)} %`;
}
