import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { aggregateRound, chooseMembers } from '@chorale/coordinator';
import { aggregationError } from '@chorale/lora';
import type { PrivacyPlan } from '@chorale/privacy';
import { roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import type { Binding, RunConfig } from '@chorale/protocol';
import { canonicalJson, decodeUpdate, trainedRangeOf } from '@chorale/protocol';
import type { AdapterFacts, Evaluation } from '@chorale/trainer';
import { describeAdapter, exportPeft, openAdapter, privacyPlanOf } from '@chorale/trainer';
import { writeAtomically } from './atomicFile.ts';
import type { DevicePool } from './devicePool.ts';
import { openDevicePool } from './devicePool.ts';
import { fitting } from './fitting.ts';
import { RandomStream } from './randomStream.ts';
import type { SeedState, SimulatedRound } from './seedState.ts';
import { readSeedState, writeRounds, writeSeedState } from './seedState.ts';
import type { SimulationInputs } from './simulationInputs.ts';
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
  initial: Evaluation | null;
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
      const adapter = openAdapter(files, config);
      const plan = privacyPlanOf({ config, noiseMultiplier });
      while (state.rounds.length < config.rounds.count) {
        const { length: rounds } = state.rounds;
        const onClient = (clients: number) => onProgress({ rounds, clients, record: null });
        const round: SimulatedRoundOptions = {
          state,
          seed,
          config,
          simulation,
          plan,
          adapter,
          binding,
          pool,
          onClient,
        };
        state = await simulateRound(round, testRows !== null);
        writeSeedState(directory, state);
        onProgress({ rounds: state.rounds.length, clients: 0, record: state.rounds.at(-1)! });
      }
    } finally {
      await pool.close();
    }
  }
  const adapter = exportPeft(files, config, Float32Array.from(state.parameters), config.model);
  for (const [name, bytes] of adapter) writeAtomically(join(directory, 'adapter', name), bytes);
  const { rounds, initial } = state;
  const clients = parts.map((part, client): SimulatedClient => ({
    labelCounts: labels.map((_, label) => part.filter((row) => trainRows[row]!.label === label).length),
    roundsTaken: roundsTaken(rounds, client + 1),
  }));
  return { seed, initial, rounds, parameterCount: facts.parameterCount, clients };
}

type SimulatedRoundOptions = {
  state: SeedState;
  seed: number;
  config: RunConfig;
  simulation: SimulationInputs['simulation'];
  plan: PrivacyPlan;
  adapter: ReturnType<typeof openAdapter>;
  binding: Binding;
  pool: DevicePool;
  onClient: (done: number) => void;
};

/** One round, from the cohort to the next global adapter. */
async function simulateRound(options: SimulatedRoundOptions, hasTest: boolean): Promise<SeedState> {
  const { state, seed, config, simulation, plan, adapter, binding, pool, onClient } = options;
  const startedAt = performance.now();
  const round = state.rounds.length + 1;
  const cohort = cohortOf(simulation.clients, config.rounds.cohortSize, seed, round);
  const start = Float32Array.from(state.parameters); // as it is sent
  const encoded = await pool.train(
    cohort.map((number) => number - 1),
    round,
    start,
    onClient,
  );
  const updates = cohort.map((number, i) => ({
    contributorId: `client-${number}`,
    ...decodeUpdate(encoded[i]!, binding),
  }));
  const range = trainedRangeOf(binding, round);
  const parameters = aggregateRound(state.parameters, updates, { aggregation: config.aggregation, range });
  const tested = hasTest && (round % simulation.evaluateEvery === 0 || round === config.rounds.count);
  const evaluation = tested ? await pool.evaluate(Float32Array.from(parameters)) : null;
  const taken = Array.from({ length: simulation.clients }, (_, client) =>
    roundsTaken([...state.rounds, { cohort }], client + 1),
  );
  const epsilon = spentEpsilonAfter(plan, Math.max(...taken));
  const record: SimulatedRound = {
    round,
    testAccuracy: evaluation?.accuracy ?? null,
    testLoss: evaluation?.loss ?? null,
    epsilon: epsilon === Infinity ? null : roundEpsilonUp(epsilon),
    uplinkBytesPerClient: Math.max(...encoded.map(({ byteLength }) => byteLength)),
    aggregationError: aggregationError(
      adapter.layout,
      start,
      updates.map(({ values }) => values),
      range,
      adapter.basis,
    ),
    seconds: Number(((performance.now() - startedAt) / 1000).toFixed(3)),
    cohort,
  };
  return { initial: state.initial, rounds: [...state.rounds, record], parameters };
}

async function initialSeedState(
  pool: DevicePool,
  { initialParameters }: AdapterFacts,
  hasTest: boolean,
): Promise<SeedState> {
  return {
    initial: hasTest ? await pool.evaluate(initialParameters) : null,
    rounds: [],
    parameters: Float64Array.from(initialParameters),
  };
}

/** @returns numbers of clients from 1, ascending */
export function cohortOf(clients: number, size: number, seed: number, round: number): number[] {
  const candidates = Array.from({ length: clients }, (_, i) => String(i + 1));
  const { below } = new RandomStream(seed, `cohort of round ${round}`);
  return chooseMembers(candidates, size, below)
    .map(Number)
    .sort((a, b) => a - b);
}

function roundsTaken(rounds: readonly Pick<SimulatedRound, 'cohort'>[], client: number): number {
  return rounds.filter(({ cohort }) => cohort.includes(client)).length;
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
  { basisHash, parameterCount, trainedRanges }: AdapterFacts,
): Binding {
  const planHash = createHash('sha256')
    .update(
      canonicalJson({
        config,
        noiseMultiplier,
        model: hashes.model,
        basisHash,
        parameterCount,
        trainedRanges,
      }),
    )
    .digest('hex');
  return { planHash, basisHash, parameterCount, trainedRanges };
}
