import { ChoraleError } from '@chorale/protocol';
import type { LabelledRow } from '@chorale/trainer';
import { evaluatorOn, openCompute } from '@chorale/trainer';
import type { RecordedEvaluation } from './seedState.ts';
import { readSeedState, recordable } from './seedState.ts';
import type { SimulationInputs } from './simulationInputs.ts';
import { configOfSeed, seedDirectory } from './simulateSeed.ts';

/**
 * Measures a seed's last global adapter on other rows than those of the run.
 * @param directory of the simulation
 * @param rows      at least one
 * @throws {ChoraleError} CONFIG_INVALID: that seed has no complete round there; {ModelError} {DeviceError}
 */
export async function evaluateSeed(
  inputs: SimulationInputs,
  directory: string,
  seed: number,
  backend: 'wasm' | 'cpu',
  rows: readonly LabelledRow[],
): Promise<RecordedEvaluation> {
  const state = readSeedState(seedDirectory(directory, seed));
  if (state === null) {
    throw new ChoraleError('CONFIG_INVALID', `expected seed ${seed} in ${directory}, it was not simulated`);
  }
  const config = configOfSeed(inputs, seed);
  const compute = await openCompute(backend);
  try {
    const evaluator = evaluatorOn(compute, inputs.files, config, rows);
    return recordable(await evaluator.evaluate(Float32Array.from(state.parameters)));
  } finally {
    compute.dispose();
  }
}
