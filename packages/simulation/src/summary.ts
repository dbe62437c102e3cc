import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import type { SeedResult, SimulatedClient } from './simulateSeed.ts';
import type { SimulationInputs } from './simulationInputs.ts';
import type { Spread } from './statistics.ts';
import { spreadOf } from './statistics.ts';

export type Machine = { cpu: string; cores: number; memoryGiB: number; system: string; node: string };

export type SeedSummary = {
  seed: number;
  /** Before the first round. */
  initialAccuracy: number | null;
  initialLoss: number | null;
  testAccuracy: number | null;
  testLoss: number | null;
  /** null when privacy.unit is none. */
  epsilon: number | null;
  /** Over all rounds. */
  meanAggregationError: number;
  /** Of one client in a round, and of all clients in all rounds. */
  uplinkBytesPerClient: number;
  uplinkBytes: number;
  seconds: number;
  clients: SimulatedClient[];
};

/** `summary.json`: one simulation, all its seeds. */
export type SimulationSummary = Pick<SimulationInputs, 'run' | 'simulation' | 'hashes'> & {
  backend: 'wasm' | 'cpu';
  workers: number;
  /** What to type to get the same. */
  command: string;
  machine: Machine;
  noiseMultiplier: number;
  parameterCount: number;
  rows: { train: number; test: number | null };
  seeds: SeedSummary[];
  /** After the last round, over the seeds; null without a test file. */
  testAccuracy: Spread | null;
  testLoss: Spread | null;
  meanAggregationError: Spread | null;
};

export function summarize(
  inputs: SimulationInputs,
  results: readonly SeedResult[],
  how: Pick<SimulationSummary, 'backend' | 'workers' | 'command' | 'noiseMultiplier'>,
): SimulationSummary {
  const { run, simulation, hashes, trainRows, testRows } = inputs;
  const seeds = results.map(summarizeSeed);
  const known = (pick: (seed: SeedSummary) => number | null) =>
    spreadOf(seeds.flatMap((seed) => pick(seed) ?? []));
  return {
    run,
    simulation,
    hashes,
    ...how,
    machine: machine(),
    parameterCount: results[0]?.parameterCount ?? 0,
    rows: { train: trainRows.length, test: testRows?.length ?? null },
    seeds,
    testAccuracy: known((seed) => seed.testAccuracy),
    testLoss: known((seed) => seed.testLoss),
    meanAggregationError: known((seed) => seed.meanAggregationError),
  };
}

function summarizeSeed({ seed, initial, rounds, clients }: SeedResult): SeedSummary {
  const last = rounds.at(-1);
  return {
    seed,
    initialAccuracy: initial?.accuracy ?? null,
    initialLoss: initial?.loss ?? null,
    testAccuracy: last?.testAccuracy ?? null,
    testLoss: last?.testLoss ?? null,
    epsilon: last?.epsilon ?? null,
    meanAggregationError: spreadOf(rounds.map((round) => round.aggregationError))?.mean ?? 0,
    uplinkBytesPerClient: Math.max(0, ...rounds.map((round) => round.uplinkBytesPerClient)),
    uplinkBytes: rounds.reduce((sum, round) => sum + round.uplinkBytesPerClient * round.cohort.length, 0),
    seconds: Number(rounds.reduce((sum, round) => sum + round.seconds, 0).toFixed(3)),
    clients,
  };
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${arch()}`,
    node: process.version,
  };
}
