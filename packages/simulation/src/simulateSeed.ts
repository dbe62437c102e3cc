import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Binding, RunConfig } from '@chorale/protocol';
import { canonicalJson } from '@chorale/protocol';
import type { AdapterFacts } from '@chorale/trainer';
import { describeAdapter, exportPeft, openAdapter, privacyPlanOf } from '@chorale/trainer';
import { writeAtomically } from './atomicFile.ts';
import type { DevicePool } from './devicePool.ts';
import { openDevicePool } from './devicePool.ts';
import { fitting } from './fitting.ts';
import { RandomStream } from './randomStream.ts';
import type { RecordedEvaluation, SeedState, SimulatedRound } from './seedState.ts';
import { readSeedState, recordable, writeRounds, writeSeedState } from './seedState.ts';
import type { SimulationInputs } from './simulationInputs.ts';
import { roundsTaken, simulateRound } from './simulateRound.ts';
import { splitRows } from './split.ts';

export type SeedOptions = {
  inputs: SimulationInputs;
  noiseMultiplier: number;
  backend: 'wasm' | 'cpu';
  workers: number;
  seed: number;
  /** The seed's own: `rounds.jsonl`, `adapter/` and the state from which it goes on. */
  directory: string;
  onProgress: (progress: SeedProgress) => void;
};

export type SeedProgress = {
  /** Complete ones. */
  rounds: number;
  /** Clients of the round in work that are done. */
  clients: number;
  /** The round that was just completed in this process, else null. */
  record: SimulatedRound | null;
};

export type SimulatedClient = {
  /** How many rows of each label she has. */
  labelCounts: number[];
  roundsTaken: number;
};

export type SeedResult = {
  seed: number;
  /** Of the adapter before the first round; null without a test file. */
  initial: RecordedEvaluation | null;
  rounds: SimulatedRound[];
  parameterCount: number;
  clients: SimulatedClient[];
};

/**
 * All rounds of one seed, or those that an earlier start left. The seed decides everything that is drawn: the split, the
 * cohorts, the coins of every Poisson sample, the noise, and A with the head's start if `adapterSeed` says so.
 * @throws {ChoraleError} the split does not fit the rows, or an update cannot be aggregated; {ModelError} {DeviceError}
 */
export async function simulateSeed(options: SeedOptions): Promise<SeedResult> {
  const { inputs, noiseMultiplier, backend, workers, seed, directory, onProgress } = options;
  const { simulation, trainRows, testRows, files } = inputs;
  const config = configOfSeed(inputs, seed);
  const { labels } = config.task;
  const parts = splitRows(
    trainRows.map(({ label }) => label),
    labels.length,
    simulation,
    new RandomStream(seed, 'split'),
  );
  const facts = await fitting(() => describeAdapter(files, config));
  const binding = bindingOfSimulation(inputs, config, noiseMultiplier, facts);
  let state: SeedState | null = readSeedState(directory);
  if (state !== null) writeRounds(directory, state.rounds);
  onProgress({ rounds: state?.rounds.length ?? 0, clients: 0, record: null });
  if (state === null || state.rounds.length < config.rounds.count) {
    const pool = await openDevicePool(
      {
        backend,
        seed,
        files,
        config,
        noiseMultiplier,
        binding,
        clients: parts.map((part) => part.map((row) => trainRows[row]!)),
        testRows,
      },
      workers,
    );
    try {
      state ??= await initialSeedState(pool, facts, testRows !== null);
      const run = {
        seed,
        config,
        simulation,
        hasTest: testRows !== null,
        plan: privacyPlanOf({ config, noiseMultiplier }),
        adapter: openAdapter(files, config),
        binding,
        pool,
      };
      while (state.rounds.length < config.rounds.count) {
        const { length: rounds } = state.rounds;
        state = await simulateRound(state, run, (clients) => onProgress({ rounds, clients, record: null }));
        writeSeedState(directory, state);
        onProgress({ rounds: state.rounds.length, clients: 0, record: state.rounds.at(-1)! });
      }
    } finally {
      await pool.close();
    }
  }
  const adapter = exportPeft(files, config, Float32Array.from(state.parameters), {
    baseModel: config.model,
    revision: null,
  });
  for (const [name, bytes] of adapter) writeAtomically(join(directory, 'adapter', name), bytes);
  const { rounds, initial } = state;
  const taken = roundsTaken(rounds, simulation.clients);
  const clients = parts.map((part, client): SimulatedClient => ({
    labelCounts: labels.map((_, label) => part.filter((row) => trainRows[row]!.label === label).length),
    roundsTaken: taken[client]!,
  }));
  return { seed, initial, rounds, parameterCount: facts.parameterCount, clients };
}

async function initialSeedState(
  pool: DevicePool,
  { initialParameters }: AdapterFacts,
  hasTest: boolean,
): Promise<SeedState> {
  return {
    initial: hasTest ? recordable(await pool.evaluate(initialParameters)) : null,
    rounds: [],
    parameters: Float64Array.from(initialParameters),
    optimizerState: null,
  };
}

/** The run's config as one seed of a simulation trains it. */
export function configOfSeed({ run, simulation }: SimulationInputs, seed: number): RunConfig {
  return simulation.adapterSeed === 'config' ? run : { ...run, adapter: { ...run.adapter, seed } };
}

export function seedDirectory(directory: string, seed: number): string {
  return join(directory, `seed-${seed}`);
}

/** Nobody agrees to a simulation's plan; its updates are bound to all that the plan would hold. */
function bindingOfSimulation(
  { hashes }: SimulationInputs,
  config: RunConfig,
  noiseMultiplier: number,
  { basisHash, parameterCount, tensors, trainedRanges }: AdapterFacts,
): Binding {
  const planHash = createHash('sha256')
    .update(
      canonicalJson({
        config,
        noiseMultiplier,
        model: hashes.model,
        basisHash,
        parameterCount,
        tensors,
        trainedRanges,
      }),
    )
    .digest('hex');
  const { encoding } = config.transport;
  return { planHash, basisHash, parameterCount, tensors, trainedRanges, encoding };
}
