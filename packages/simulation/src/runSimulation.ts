import { join } from 'node:path';
import { resolveNoiseMultiplier } from '@chorale/trainer';
import { writeAtomically } from './atomicFile.ts';
import { fitting } from './fitting.ts';
import { reportPage } from './report/reportPage.ts';
import type { SimulatedRound } from './seedState.ts';
import { claimDirectory } from './simulationDirectory.ts';
import type { SimulationInputs } from './simulationInputs.ts';
import type { SeedProgress, SeedResult } from './simulateSeed.ts';
import { seedDirectory, simulateSeed } from './simulateSeed.ts';
import type { SimulationSummary } from './summary.ts';
import { summarize } from './summary.ts';

export type SimulationOptions = {
  inputs: SimulationInputs;
  /** Where everything is written; an earlier start of the same simulation there is gone on with. */
  directory: string;
  /** Integers from 0 to 2^32 − 1, without repeats. */
  seeds: readonly number[];
  backend: 'wasm' | 'cpu';
  /** Devices that compute beside each other, at least 1. What comes out does not depend on it. */
  workers: number;
  /** What to type to get the same, for the report. */
  command: string;
  onProgress?: (progress: SimulationProgress) => void;
};

export type SimulationProgress = SeedProgress & {
  seed: number;
  /** Seeds before this one. */
  seedsDone: number;
};

export type SimulationResult = { summary: SimulationSummary; rounds: Map<number, SimulatedRound[]> };

/**
 * Runs a simulation, seed by seed, and writes below `directory`:
 *   simulation.json             what is simulated; another simulation is refused
 *   seed-N/rounds.jsonl         one line a round
 *   seed-N/adapter/             the last global adapter in PEFT's layout
 *   seed-N/state.json           from which a later start goes on
 *   summary.json, report.html   all seeds
 * @throws {ChoraleError} CONFIG_INVALID: the directory holds something else, or the config cannot be simulated;
 *   {ModelError} {DeviceError}
 */
export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  const { inputs, directory, seeds, backend, workers, command, onProgress = () => undefined } = options;
  const noiseMultiplier = await fitting(() => resolveNoiseMultiplier(inputs.run));
  claimDirectory(directory, inputs, backend);
  const results: SeedResult[] = [];
  for (const seed of seeds) {
    const seedsDone = results.length;
    results.push(
      await simulateSeed({
        inputs,
        noiseMultiplier,
        backend,
        workers,
        seed,
        directory: seedDirectory(directory, seed),
        onProgress: (progress) => onProgress({ ...progress, seed, seedsDone }),
      }),
    );
  }
  const summary = summarize(inputs, results, { backend, workers, command, noiseMultiplier });
  const rounds = new Map(results.map((result) => [result.seed, result.rounds]));
  writeAtomically(join(directory, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  writeAtomically(join(directory, 'report.html'), reportPage(summary, rounds));
  return { summary, rounds };
}
