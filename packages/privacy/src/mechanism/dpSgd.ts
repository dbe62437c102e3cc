import { findNonInteger } from './grid.ts';
import { LocalRound, NumericalError } from './localRound.ts';
import type { Mechanism } from './mechanism.ts';
import type { NoiseSource } from './noiseSource.ts';
import { markPrivatized } from './privatized.ts';
import type { Privatized } from './privatized.ts';
import { saturate } from './saturate.ts';

/**
 * A round with unit `example`: noised SGD (Abadi et al. 2016, Algorithm 1) on the integer grid.
 *
 * Guarantee: the result is `localSteps` Poisson-subsampled Gaussian mechanisms of the plan's noise multiplier, provided
 * that the starting parameters do not depend on this tab's data except through earlier releases, and that every sum is
 * that of one Poisson sample of integer vectors, each of L2 norm at most GRID_UNITS and a function of its own example and
 * of the parameters alone. Nothing fails after the noise: a number that float32 cannot hold becomes the largest it can,
 * which is post-processing, while no update would say something of the noised sum that nobody accounts. An error before
 * the noise says that the device failed, which honest gradients cannot cause.
 */
export class DpSgd extends LocalRound {
  readonly #noise: NoiseSource;
  readonly #noiseStdDevUnits: number;

  constructor(mechanism: Mechanism, parameters: Float32Array, noise: NoiseSource) {
    super(mechanism, parameters);
    if (mechanism.plan.unit !== 'example' || mechanism.noiseStdDevUnits === null) {
      throw new RangeError(`expected a plan with unit 'example', got '${mechanism.plan.unit}'`);
    }
    this.#noise = noise;
    this.#noiseStdDevUnits = mechanism.noiseStdDevUnits;
  }

  /** parameters −= learningRate · gridStep · (sum + noise) / expectedBatchSize; sum and noise are integers. */
  protected override descend(current: Float64Array, sum: Float64Array): void {
    const { plan, gridStep } = this.mechanism;
    const at = findNonInteger(sum);
    if (at !== -1) {
      throw new NumericalError(
        `expected a sum of gradients in whole grid units, got ${sum[at]} at ${at}; nothing is sent`,
      );
    }
    const noisySum = sum.slice();
    this.#noise.addNoise(noisySum, this.#noiseStdDevUnits);
    for (let i = 0; i < current.length; i++) {
      const step = plan.learningRate * ((noisySum[i]! * gridStep) / plan.expectedBatchSize);
      current[i] = saturate(current[i]! - step);
    }
  }

  protected override release(change: Float64Array): Privatized<Float32Array> {
    return markPrivatized(Float32Array.from(change, saturate), this.mechanism.updateEvent);
  }
}
