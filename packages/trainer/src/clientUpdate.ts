import type { Compute, Ops, Tensor } from '@chorale/compute';
import type { TrainedRange } from '@chorale/lora';
import type { Mechanism, NoiseSource, PrivacyPlan, Privatized, RandomSource } from '@chorale/privacy';
import { poissonSample, startLocalRound } from '@chorale/privacy';
import { MICRO_BATCH_SIZE, microBatches } from './microBatches.ts';
import type { Example, SequenceClassifier } from './sequenceClassifier.ts';

export type ClientUpdateOptions = {
  compute: Compute;
  /** All that a round needs of a model; an audit puts known gradients here. */
  classifier: Pick<SequenceClassifier, 'exampleGradients' | 'factorsOf'>;
  examples: readonly Example[];
  plan: PrivacyPlan;
  /** What this round trains: `trainedRangeOf` the run's plan and the round. */
  range: TrainedRange;
  /** Coins of the Poisson sample. */
  random: RandomSource;
  /** `noiseSource(plan.noise)` in product code. */
  noise: NoiseSource;
  /** An integer from 1 to 512. */
  microBatchSize?: number;
  /** Called after each step with the number of steps done; stays in the tab. */
  onStep?: (step: number) => void;
};

/** Where and how gradients are computed. */
export type GradientOptions = Pick<
  ClientUpdateOptions,
  'compute' | 'classifier' | 'range' | 'microBatchSize'
>;

/**
 * One client's round of the plan's mechanism on the parameters of one range, the others staying as they are: `localSteps`
 * times Poisson sample → per-example gradients → sum → step; what is clipped and noised, and when, is the local round's
 * (`startLocalRound`), which owns that range and nothing else. The number of steps is fixed; an empty sample is a step like
 * any other. Every step runs under the device guard, so that nothing computed by a failing device leaves.
 * @param parameters the global adapter, [parameterCount]; not changed
 * @returns the change of the range's parameters, [end - start], marked as private
 * @throws {DeviceError} the device failed; the round is given up, nothing was released
 * @throws {RangeError} microBatchSize or the plan is out of range, the noise is not of the plan's kind, or the strategy
 *   trains no such range
 */
export async function computeClientUpdate(
  parameters: Float32Array,
  options: ClientUpdateOptions,
): Promise<Privatized<Float32Array>> {
  const { compute, classifier, plan, range, examples, random, noise, onStep } = options;
  // Before the first coin: whether a round fails must not say whether a sample was empty
  classifier.factorsOf(range);
  const round = startLocalRound(plan, parameters.subarray(range.start, range.end), noise);
  const all = parameters.slice();
  for (let step = 1; step <= plan.localSteps; step++) {
    const drawn = poissonSample(examples.length, plan.samplingRate, random);
    const batch = Array.from(drawn, (index) => examples[index]!);
    all.set(round.parameters, range.start);
    const sum = await compute.guard(() => sumGradients(all, batch, round.mechanism, options));
    round.step(sum);
    onStep?.(step);
  }
  return round.finish();
}

/**
 * Sum over a batch of per-example gradients, each as the mechanism wants it: clipped over all tensors together and in
 * whole grid units, or as it is. An example whose gradient is not finite adds nothing.
 *
 * What one example adds depends on it and on the parameters alone, bit by bit, hence one example more changes a sum of
 * grid units by exactly its own vector: a rounding that falls on the other side of a grid line would be one unit more of
 * sensitivity. For this each example is computed in the same shape whoever is beside it (`microBatches`).
 *
 * Not private yet: the sum must go through `LocalRound.step` and nowhere else.
 * @param parameters all of them, [parameterCount]
 * @returns [end - start] in float64; exact integers in grid units; zeros for an empty batch
 * @throws {RangeError} microBatchSize is not an integer from 1 to 512
 */
export async function sumGradients(
  parameters: Float32Array,
  batch: readonly Example[],
  mechanism: Mechanism,
  options: GradientOptions,
): Promise<Float64Array> {
  const { range, microBatchSize = MICRO_BATCH_SIZE } = options;
  const sum = new Float64Array(range.end - range.start);
  const step = (part: readonly Example[]) =>
    microBatchSum(parameters, part, mechanism, { ...options, microBatchSize });
  const add = (values: Float32Array) => {
    for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
  };
  for (const part of microBatches(batch, microBatchSize)) {
    const together = await step(part);
    if (together !== null) add(together);
    if (together !== null || part.length === 1) continue;
    // One by one: what an example adds must not depend on the others
    for (const example of part) {
      const alone = await step([example]);
      if (alone !== null) add(alone);
    }
  }
  return sum;
}

/**
 * One device step. A gradient that is not finite makes the others of its step worthless: tfjs's WebGPU products read
 * past the end of a row into the next one and multiply by zero padding, and NaN times zero is NaN in another example.
 * @param part examples of the same padded length
 * @returns sum of the gradients, or null when one is not finite
 */
async function microBatchSum(
  parameters: Float32Array,
  part: readonly Example[],
  mechanism: Mechanism,
  { compute, classifier, range, microBatchSize }: GradientOptions & { microBatchSize: number },
): Promise<Float32Array | null> {
  const { ops } = compute;
  const { gradients, losses } = classifier.exampleGradients(parameters, part, microBatchSize, range);
  try {
    ops.dispose(losses);
    const norms = await readOnce(ops, () => ops.squaredNorms(gradients));
    if (!norms.subarray(0, part.length).every(Number.isFinite)) return null;
    const factors = mechanism.exampleFactors(norms);
    factors.fill(0, part.length); // padding rows
    return await readOnce(ops, () =>
      mechanism.gradientSums === 'grid'
        ? ops.truncatedSum(gradients, factors)
        : ops.weightedSum(gradients, factors),
    );
  } finally {
    ops.dispose(gradients);
  }
}

/** The values of what is made, which is freed whether they can be read or not. */
async function readOnce(ops: Ops, make: () => Tensor): Promise<Float32Array> {
  const tensor = ops.scope(make);
  try {
    return await ops.read(tensor);
  } finally {
    ops.dispose(tensor);
  }
}
