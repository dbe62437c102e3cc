import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { ChoraleError, fromWireError, wireError } from '@chorale/protocol';
import type { SimulationSummary } from '@chorale/simulation';
import { readSimulationInputs, runSimulation } from '@chorale/simulation';
import { nodeBackend, parseOptions, required, wholeNumber } from './options.ts';
import { simulationProgress } from './simulationProgress.ts';

export const SIMULATE_USAGE = `chorale simulate --config run.json --out DIR [--seeds 1,2,3] [--backend wasm|cpu] [--workers N] [--json]

A whole run in this process, without a network: many clients train, send and are averaged with the program's own parts.
The config is a run's, with a section more:

  "simulation": { "clients": 3, "train": "train.tsv", "split": SPLIT,
                  "examplesPerClient": n, "evaluateEvery": 1, "adapterSeed": "config" }

  SPLIT          {"kind": "iid"}: rows dealt out at random in equal parts
                 {"kind": "label-skew", "mix": [[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]}: for each client the share of each
                 label; all clients get the same number of rows, as many as the rarest label allows
                 {"kind": "dirichlet", "alpha": 0.5}: each label's rows in proportions drawn from Dirichlet(alpha)
  train          the rows of all clients: TSV, CSV or JSONL, relative to the config; evaluation.file is the test
  evaluateEvery  test after every so many rounds, and after the last
  adapterSeed    "config": A and the head start the same for all seeds (adapter.seed); "simulation": from the seed

  --out DIR      a new directory, or that of an earlier start, which is gone on with: seed-N/rounds.jsonl,
                 seed-N/adapter (PEFT), summary.json, report.html
  --seeds LIST   one simulation for each (default 1): splits, cohorts, coins and noise follow from the seed, so that the
                 same command gives the same numbers
  --backend NAME wasm (default) or cpu
  --workers N    clients that train beside each other, each in a thread with its own copy of the model (default: one a
                 core, at most rounds.cohortSize); results do not depend on it
  --json         one JSON object on the last line: the summary
`;

export async function simulate(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    config: { type: 'string' },
    out: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'wasm' },
    workers: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const config = required('config', values.config, SIMULATE_USAGE);
  const directory = required('out', values.out, SIMULATE_USAGE);
  const seeds = seedList(values.seeds);
  const backend = nodeBackend(values.backend);
  const inputs = await known(() => readSimulationInputs(config));
  const { cohortSize, count } = inputs.run.rounds;
  const workers =
    values.workers === undefined
      ? Math.min(cohortSize, availableParallelism())
      : wholeNumber('workers', values.workers, 1);
  const progress = simulationProgress(process.stderr, {
    seeds: seeds.length,
    rounds: count,
    cohort: cohortSize,
  });
  const { summary } = await known(() =>
    runSimulation({
      inputs,
      directory: resolve(directory),
      seeds,
      backend,
      workers: Math.min(workers, cohortSize),
      command: `npm run chorale -- simulate --config ${config} --out ${directory} --seeds ${seeds.join(',')} --backend ${backend}`,
      onProgress: progress.show,
    }),
  ).finally(progress.close);
  process.stdout.write(`${describe(summary)}\nReport: ${resolve(directory, 'report.html')}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  return 0;
}

/** @throws {ChoraleError} CONFIG_INVALID: no list of different whole numbers from 0 to 2^32 − 1 */
function seedList(list: string): number[] {
  const seeds = list.split(',').map((seed) => wholeNumber('seeds', seed.trim() || 'nothing', 0));
  const tooLarge = seeds.find((seed) => seed >= 2 ** 32);
  if (tooLarge !== undefined || new Set(seeds).size < seeds.length) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--seeds: expected different whole numbers under ${2 ** 32} with commas between them, got ${list}`,
    );
  }
  return seeds;
}

/** Errors of lower packages that have words for people, as the command line shows them. */
async function known<Result>(act: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const wire = wireError(error);
    throw error instanceof ChoraleError || wire.code === 'INTERNAL' ? error : fromWireError(wire);
  }
}

function describe({ seeds, testAccuracy }: SimulationSummary): string {
  const percent = (share: number | null) => (share === null ? 'not tested' : `${(100 * share).toFixed(1)} %`);
  const lines = seeds.map(
    (seed) =>
      `seed ${seed.seed}: accuracy ${percent(seed.initialAccuracy)} before, ${percent(seed.testAccuracy)} after; ` +
      `epsilon ${seed.epsilon ?? 'none kept'}; uplink ${seed.uplinkBytesPerClient} bytes per client and round; ` +
      `aggregation error ${seed.meanAggregationError.toPrecision(2)}`,
  );
  if (testAccuracy !== null && testAccuracy.sd !== null) {
    lines.push(
      `accuracy ${percent(testAccuracy.mean)} ± ${percent(testAccuracy.sd)} over ${seeds.length} seeds`,
    );
  }
  return lines.join('\n');
}
