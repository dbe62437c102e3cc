import type { Compute } from '@chorale/compute';
import { heldMemory } from '@chorale/compute/testing/deviceCounters';
import { computeClientUpdate } from '../clientUpdate.ts';
import type { ClientUpdateOptions } from '../clientUpdate.ts';

/** By then a device has met every shape of a run and its pools are as large as they get. */
const WARM_UP_STEPS = 25;

/**
 * Runs many training steps, whose Poisson samples are of all sizes.
 * @throws {Error} the device holds more tensors or more memory after them than after the first few
 */
export async function expectSteadyMemory(
  compute: Compute,
  parameters: Float32Array,
  options: ClientUpdateOptions,
  steps: number,
): Promise<void> {
  const run = (localSteps: number) =>
    computeClientUpdate(parameters, { ...options, plan: { ...options.plan, localSteps } });
  await run(WARM_UP_STEPS);
  const before = heldMemory();
  const liveBefore = compute.ops.liveTensors();
  await run(steps);
  const after = heldMemory();
  if (JSON.stringify(after) !== JSON.stringify(before) || compute.ops.liveTensors() !== liveBefore) {
    throw new Error(`after ${steps} steps: held ${JSON.stringify(after)}, before ${JSON.stringify(before)}`);
  }
}
