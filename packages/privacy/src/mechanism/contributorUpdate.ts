import { clipFactor } from './clip.ts';
import { GRID_UNITS, truncateToGrid } from './grid.ts';
import { LocalRound } from './localRound.ts';
import type { Mechanism } from './mechanism.ts';
import type { NoiseSource } from './noiseSource.ts';
import { markPrivatized } from './privatized.ts';
import type { Privatized } from './privatized.ts';
import { saturate } from './saturate.ts';

/**
 * A round with unit `contributor`: SGD without noise, then the whole change is clipped to clippingNorm, truncated to the
 * integer grid and noised once (the user-level mechanism of McMahan et al. 2018, with the noise of one user alone).
 *
 * Guarantee: one Gaussian mechanism of the plan's noise multiplier and of sensitivity 2·clippingNorm between any two data
 * sets, provided that the starting parameters do not depend on this tab's data except through earlier releases. Nothing
 * is assumed of the gradients: a change that is not finite counts as none, and whatever the data and the noise are, no
 * step fails and `finish` does not.
 */
export class ContributorUpdate extends LocalRound {
  readonly #noise: NoiseSource;
  readonly #noiseStdDevUnits: number;
  #diverged = false;

  constructor(mechanism: Mechanism, parameters: Float32Array, noise: NoiseSource) {
    super(mechanism, parameters);
    if (mechanism.plan.unit !== 'contributor' || mechanism.noiseStdDevUnits === null) {
      throw new RangeError(`expected a plan with unit 'contributor', got '${mechanism.plan.unit}'`);
    }
    this.#noise = noise;
    this.#noiseStdDevUnits = mechanism.noiseStdDevUnits;
  }

  /**
   * parameters −= learningRate · sum / expectedBatchSize. Parameters that float32 cannot hold go back to the round's
   * start and stay there: the remaining steps take as long as any, and the change is none.
   */
  protected override descend(current: Float64Array, sum: Float64Array, start: Float32Array): void {
    const { learningRate, expectedBatchSize } = this.mechanism.plan;
    for (let i = 0; i < current.length; i++) {
      current[i]! -= learningRate * (sum[i]! / expectedBatchSize);
      if (!Number.isFinite(Math.fround(current[i]!))) this.#diverged = true;
    }
    if (this.#diverged) current.set(start);
  }

  protected override release(change: Float64Array): Privatized<Float32Array> {
    const { plan, gridStep, updateEvent } = this.mechanism;
    const noisy = clipToGrid(change, plan);
    this.#noise.addNoise(noisy, this.#noiseStdDevUnits);
    return markPrivatized(
      Float32Array.from(noisy, (units) => saturate(units * gridStep)),
      updateEvent,
    );
  }
}

/**
 * Brings a vector to an L2 norm of at most clippingNorm, in whole grid units.
 * @returns integers of L2 norm at most GRID_UNITS; zeros when the norm is not finite
 */
export function clipToGrid(
  values: Float64Array,
  { clippingNorm, clipping }: Pick<Mechanism['plan'], 'clippingNorm' | 'clipping'>,
): Float64Array {
  const factor = clipFactor(
    values.reduce((sum, value) => sum + value * value, 0),
    clippingNorm,
    clipping,
  );
  // Not a product with 0: a value that is not finite would stay
  if (factor === 0) return new Float64Array(values.length);
  return truncateToGrid(values, factor * (GRID_UNITS / clippingNorm));
}
