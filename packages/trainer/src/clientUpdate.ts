import type { Compute } from '@chorale/compute';
import type { NoiseSource, PrivacyPlan, Privatized, RandomSource } from '@chorale/privacy';
import { DpSgd, clipFactors, poissonSample } from '@chorale/privacy';
import type { Example, SequenceClassifier } from './sequenceClassifier.ts';

/** Examples per device step: a fixed shape, so that the drawn batch size never shows in a kernel's shape. */
export const MICRO_BATCH_SIZE = 16;

export type ClientUpdateOptions = {
  compute: Compute;
  classifier: SequenceClassifier;
  examples: readonly Example[];
  plan: PrivacyPlan;
  /** Coins of the Poisson sample. */
  random: RandomSource;
  noise: NoiseSource;
  microBatchSize?: number;
  /** Called after each step with the number of steps done; stays in the tab. */
  onStep?: (step: number) => void;
};

/**
 * One client's round of DP-SGD (Abadi et al. 2016, Algorithm 1) on B and, if trained, the head: `localSteps` times
 * Poisson sample → per-example gradients → clip over all tensors → sum → noise → step. The number of steps is fixed;
 * an empty sample is a step of pure noise. Every step runs under the device guard, so that nothing computed by a
 * failing device leaves.
 * @param parameters the global adapter, [parameterCount]
 * @returns the change of the parameters, marked as private
 * @throws {DeviceError} the device failed; the round is given up, nothing was released
 */
export async function computeClientUpdate(
  parameters: Float32Array,
  options: ClientUpdateOptions,
): Promise<Privatized<Float32Array>> {
  const { compute, plan, examples, random, noise, onStep } = options;
  const descent = new DpSgd(plan, parameters, noise);
  for (let step = 1; step <= plan.localSteps; step++) {
    const drawn = poissonSample(examples.length, plan.samplingRate, random);
    const batch = Array.from(drawn, (index) => examples[index]!);
    const clippedSum = await compute.guard(() => sumClippedGradients(descent.parameters, batch, options));
    descent.step(clippedSum);
    onStep?.(step);
  }
  return descent.finish();
}

/**
 * Sum over a batch of per-example gradients, each clipped to the plan's clippingNorm over all tensors together.
 * An example whose gradient is not finite adds nothing. Not private yet: the sum must go through `DpSgd.step` and
 * nowhere else.
 * @returns [parameterCount]; zeros for an empty batch
 */
export async function sumClippedGradients(
  parameters: Float32Array,
  batch: readonly Example[],
  options: ClientUpdateOptions,
): Promise<Float32Array> {
  const { microBatchSize = MICRO_BATCH_SIZE } = options;
  const sum = new Float32Array(parameters.length);
  const add = (values: Float32Array) => {
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + values[i]!;
  };
  // Similar lengths together: less padding. The order does not change the sum's meaning.
  const ordered = batch.toSorted((a, b) => a.sequence.length - b.sequence.length);
  for (let start = 0; start < ordered.length; start += microBatchSize) {
    const part = ordered.slice(start, start + microBatchSize);
    const together = await microBatchSum(parameters, part, options, microBatchSize);
    if (together !== null) {
      add(together);
      continue;
    }
    // One by one: what an example adds must not depend on the others, or the sum's sensitivity is over clippingNorm
    for (const example of part) {
      const alone = await microBatchSum(parameters, [example], options, microBatchSize);
      if (alone !== null) add(alone);
    }
  }
  return sum;
}

/**
 * One device step. A gradient that is not finite makes the others of its step worthless: tfjs's WebGPU products read
 * past the end of a row into the next one and multiply by zero padding, and NaN times zero is NaN in another example.
 * @returns sum of the clipped gradients, or null when one is not finite
 */
async function microBatchSum(
  parameters: Float32Array,
  part: readonly Example[],
  { compute, classifier, plan }: ClientUpdateOptions,
  microBatchSize: number,
): Promise<Float32Array | null> {
  const { ops } = compute;
  const { gradients, losses } = classifier.exampleGradients(parameters, part, microBatchSize);
  const squaredNorms = ops.scope(() => ops.squaredNorms(gradients));
  const norms = await ops.read(squaredNorms);
  ops.dispose([losses, squaredNorms]);
  if (!norms.subarray(0, part.length).every(Number.isFinite)) {
    ops.dispose(gradients);
    return null;
  }
  const factors = exampleFactors(norms, plan);
  factors.fill(0, part.length); // padding rows
  const partialSum = ops.scope(() => ops.weightedSum(gradients, factors));
  const values = await ops.read(partialSum);
  ops.dispose([gradients, partialSum]);
  return values;
}

/** Clipping factors; without privacy every example counts as it is. */
function exampleFactors(squaredNorms: Float32Array, plan: PrivacyPlan): Float32Array {
  if (plan.unit === 'none') return squaredNorms.map(() => 1);
  return clipFactors(squaredNorms, plan.clippingNorm);
}
