import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { ChoraleError } from '@chorale/protocol';
import type { Spread } from '@chorale/simulation';
import { evaluateSeed, readSimulationInputs, runSimulation, spreadOf } from '@chorale/simulation';
import { parseLabelledRows } from '@chorale/trainer';

/** `bench/configs/sst2.json`. */
export type Sst2Config = {
  /** From the repository's root; not part of the repository. */
  data: string;
  files: { train: string; dev: string; test: string };
  run: { adapter: object; training: object; task: { type: string; labels: string[]; textPair?: boolean } };
  simulation: object;
  grid: {
    strategies: string[];
    splits: Record<string, object>;
    privacy: Record<string, object>;
    learningRates: number[];
  };
  tuningSeed: number;
  seeds: number[];
};

export type CellName = { strategy: string; split: string; privacy: string };

/** One line of the table: a strategy on one split at one level of privacy. */
export type Cell = CellName & {
  /** Every learning rate that was tried, with the dev accuracy after the last round on the tuning seed; null: diverged. */
  tried: { learningRate: number; devAccuracy: number | null; devLoss: number | null }[];
  /** The one with the best dev accuracy of them; of equal ones that with the smaller loss; if all diverged the first. */
  learningRate: number;
  /** With that learning rate, over the seeds that did not diverge; null: all did. */
  devAccuracy: Spread | null;
  testAccuracy: Spread | null;
  perSeed: { seed: number; devAccuracy: number; testAccuracy: number; epsilon: number | null }[];
  /** Seeds on which that learning rate diverged; they are in no mean. */
  divergedSeeds?: number[];
  meanAggregationError: Spread | null;
  uplinkBytesPerClient: number | null;
  noiseMultiplier: number | null;
  /** Of all runs of the cell, tuning included, as they were measured; other work may have run beside them. */
  seconds: number;
};

export type GridOptions = {
  config: Sst2Config;
  /** Where the data lie. */
  data: string;
  /** Where the simulations are kept; what is complete there is not run again. */
  work: string;
  say: (text: string) => void;
};

/** Strategy by strategy, so that a grid that is cut short has whole strategies. */
export function cellNames({ grid }: Sst2Config): CellName[] {
  return grid.strategies.flatMap((strategy) =>
    Object.keys(grid.splits).flatMap((split) =>
      Object.keys(grid.privacy).map((privacy) => ({ strategy, split, privacy })),
    ),
  );
}

/** Tries every learning rate on the tuning seed, then runs the best one on all seeds. */
export async function runCell(name: CellName, options: GridOptions): Promise<Cell> {
  const { config, say } = options;
  const title = `${name.strategy}, ${name.split}, ${name.privacy}`;
  const tried: Cell['tried'] = [];
  let tuningSeconds = 0;
  for (const learningRate of config.grid.learningRates) {
    const result = await unlessDiverged(() => simulate(name, learningRate, [config.tuningSeed], options));
    const seed = result?.summary.seeds[0];
    tried.push({
      learningRate,
      devAccuracy: seed?.testAccuracy ?? null,
      devLoss: seed?.testLoss ?? null,
    });
    tuningSeconds += seed?.seconds ?? 0;
    const found = seed === undefined ? 'diverged' : `${(100 * seed.testAccuracy!).toFixed(1)} %`;
    say(`${title}, learning rate ${learningRate}: ${found}`);
  }
  const { learningRate } = bestOf(tried);
  const finished: number[] = [];
  const divergedSeeds: number[] = [];
  // One by one: a learning rate that is right for the tuning seed can diverge on another
  for (const seed of config.seeds) {
    const result = await unlessDiverged(() => simulate(name, learningRate, [seed], options));
    if (result === null) say(`${title}, learning rate ${learningRate}: diverged on seed ${seed}`);
    (result === null ? divergedSeeds : finished).push(seed);
  }
  // None is computed again: the summary of those that are there
  const whole = finished.length === 0 ? null : await simulate(name, learningRate, finished, options);
  const perSeed = whole === null ? [] : await testSeeds(whole, options);
  const summary = whole?.summary;
  const cell: Cell = {
    ...name,
    tried,
    learningRate,
    devAccuracy: summary?.testAccuracy ?? null,
    testAccuracy: spreadOf(perSeed.map((one) => one.testAccuracy)),
    perSeed,
    ...(divergedSeeds.length > 0 ? { divergedSeeds } : {}),
    meanAggregationError: summary?.meanAggregationError ?? null,
    uplinkBytesPerClient: summary?.seeds[0]!.uplinkBytesPerClient ?? null,
    noiseMultiplier: summary?.noiseMultiplier ?? null,
    seconds: Math.round(
      tuningSeconds +
        (summary?.seeds ?? [])
          .filter(({ seed }) => seed !== config.tuningSeed)
          .reduce((sum, { seconds }) => sum + seconds, 0),
    ),
  };
  const found = cell.testAccuracy === null ? 'diverged' : `${(100 * cell.testAccuracy.mean).toFixed(1)} %`;
  say(`${title}: test accuracy ${found} at ${learningRate}`);
  return cell;
}

/** Best dev accuracy, then least loss; what diverged is worse than anything, and of nothing else the first is taken. */
export function bestOf<Tried extends Omit<Cell['tried'][number], 'learningRate'>>(
  tried: readonly Tried[],
): Tried {
  return tried.toSorted(
    (a, b) =>
      (b.devAccuracy ?? -1) - (a.devAccuracy ?? -1) ||
      (a.devLoss ?? Number.MAX_VALUE) - (b.devLoss ?? Number.MAX_VALUE),
  )[0]!;
}

/** The seeds' last adapters on the test file. */
async function testSeeds(
  { inputs, directory, summary }: Awaited<ReturnType<typeof simulate>>,
  { config, data }: GridOptions,
): Promise<Cell['perSeed']> {
  const file = config.files.test;
  const { rows } = parseLabelledRows(new Uint8Array(readFileSync(join(data, file))), file, inputs.run.task);
  const perSeed: Cell['perSeed'] = [];
  for (const { seed, testAccuracy, epsilon } of summary.seeds) {
    const { accuracy } = await evaluateSeed(inputs, directory, seed, 'wasm', rows);
    perSeed.push({ seed, devAccuracy: testAccuracy!, testAccuracy: accuracy, epsilon });
  }
  return perSeed;
}

/** @returns null when training without clipping drove the parameters out of range */
async function unlessDiverged<Result>(act: () => Promise<Result>): Promise<Result | null> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ChoraleError && error.code === 'UPDATE_NOT_FINITE') return null;
    throw error;
  }
}

async function simulate(
  { strategy, split, privacy }: CellName,
  learningRate: number,
  seeds: readonly number[],
  { config, data, work }: GridOptions,
) {
  const { run, simulation, files, grid } = config;
  const folder = [strategy, split, privacy, learningRate].join(' ').replaceAll(' ', '-');
  const place = resolve(work, folder);
  mkdirSync(place, { recursive: true });
  const path = join(place, 'run.json');
  // From that place: what a simulation follows from must not name this machine's folders
  const file = (name: string) => relative(place, resolve(data, name));
  const own = {
    ...run,
    adapter: { ...run.adapter, strategy },
    training: { ...run.training, learningRate },
    privacy: grid.privacy[privacy],
    evaluation: { file: file(files.dev) },
    simulation: { ...simulation, train: file(files.train), split: grid.splits[split] },
  };
  writeFileSync(path, `${JSON.stringify(own, null, 2)}\n`);
  const inputs = readSimulationInputs(path);
  const directory = join(place, 'out');
  const { summary } = await runSimulation({
    inputs,
    directory,
    seeds,
    backend: 'wasm',
    workers: 1,
    command: 'npm run bench:sst2',
  });
  return { inputs, directory, summary };
}
