import { chooseMembers, nextAdapter, openAggregate } from '@chorale/coordinator';
import { aggregationError } from '@chorale/lora';
import type { PrivacyPlan } from '@chorale/privacy';
import { roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import type { Binding, RunConfig } from '@chorale/protocol';
import { decodeUpdate, trainedRangeOf } from '@chorale/protocol';
import type { openAdapter } from '@chorale/trainer';
import type { DevicePool } from './devicePool.ts';
import { RandomStream } from './randomStream.ts';
import type { SeedState, SimulatedRound } from './seedState.ts';
import { recordable } from './seedState.ts';
import type { SimulationSettings } from './simulationConfig.ts';

/** What stays the same over the rounds of a seed. */
export type SeedRun = {
  seed: number;
  config: RunConfig;
  simulation: SimulationSettings;
  /** Whether there are rows to test on. */
  hasTest: boolean;
  plan: PrivacyPlan;
  adapter: ReturnType<typeof openAdapter>;
  binding: Binding;
  pool: DevicePool;
};

/**
 * One round, from the cohort to the next global adapter and its test.
 * @param onClient called after each client with how many are done
 * @returns the state after it; the one before is not changed
 * @throws {ChoraleError} UPDATE_NOT_FINITE: the training diverged; {DeviceError}
 */
export async function simulateRound(
  state: SeedState,
  run: SeedRun,
  onClient: (done: number) => void,
): Promise<SeedState> {
  const { seed, config, simulation, hasTest, plan, adapter, binding, pool } = run;
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
  const updates = encoded.map((bytes) => decodeUpdate(bytes, binding).values);
  const range = trainedRangeOf(binding, round);
  const aggregate = openAggregate(config.aggregation, range.end - range.start);
  for (const values of updates) aggregate.add(values);
  const { parameters, optimizerState } = nextAdapter(state, aggregate.finish(), {
    optimizer: config.aggregation.serverOptimizer,
    range,
  });
  const tested = hasTest && (round % simulation.evaluateEvery === 0 || round === config.rounds.count);
  const evaluation = tested ? recordable(await pool.evaluate(Float32Array.from(parameters))) : null;
  const taken = roundsTaken([...state.rounds, { cohort }], simulation.clients);
  const epsilon = spentEpsilonAfter(plan, Math.max(...taken));
  const record: SimulatedRound = {
    round,
    testAccuracy: evaluation?.accuracy ?? null,
    testLoss: evaluation?.loss ?? null,
    epsilon: epsilon === Infinity ? null : roundEpsilonUp(epsilon),
    uplinkBytesPerClient: Math.max(...encoded.map(({ byteLength }) => byteLength)),
    aggregationError: aggregationError(adapter.layout, start, updates, range, adapter.basis),
    seconds: Number(((performance.now() - startedAt) / 1000).toFixed(3)),
    cohort,
  };
  return { initial: state.initial, rounds: [...state.rounds, record], parameters, optimizerState };
}

/** @returns numbers of clients from 1, ascending */
export function cohortOf(clients: number, size: number, seed: number, round: number): number[] {
  const candidates = Array.from({ length: clients }, (_, i) => String(i + 1));
  const { below } = new RandomStream(seed, `cohort of round ${round}`);
  return chooseMembers(candidates, size, below)
    .map(Number)
    .sort((a, b) => a - b);
}

/** In how many rounds each client took part. */
export function roundsTaken(rounds: readonly Pick<SimulatedRound, 'cohort'>[], clients: number): number[] {
  const taken = Array.from({ length: clients }, () => 0);
  for (const { cohort } of rounds) for (const number of cohort) taken[number - 1]! += 1;
  return taken;
}
