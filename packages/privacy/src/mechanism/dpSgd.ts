import type { NoiseSource } from './gaussianNoise.ts';
import { checkPrivacyPlan, noiseStdDev, roundEvent } from './plan.ts';
import type { PrivacyPlan } from './plan.ts';
import { markPrivatized } from './privatized.ts';
import type { Privatized } from './privatized.ts';

/** A number that must be finite is not. `code` is the one of the error table in `packages/protocol`. */
export class NumericalError extends Error {
  readonly code = 'DEVICE_ERROR';

  constructor(message: string) {
    super(message);
    this.name = 'NumericalError';
  }
}

/**
 * Noised SGD of one round (Abadi et al. 2016, Algorithm 1). It owns the parameters from the round's start to its end,
 * so that only noised steps can reach what `finish` marks as privatized.
 *
 * Guarantee: the result is `plan.localSteps` Poisson-subsampled Gaussian mechanisms, provided that the starting
 * parameters do not depend on this tab's data except through earlier releases, and that every `clippedSum` is the sum
 * over one Poisson sample of gradients of L2 norm at most `plan.clippingNorm`. A sample without examples counts like
 * any other: pass zeros. With unit `none` there is no noise, and the event says so.
 *
 * It fails closed: after any error inside a step nothing can be finished.
 */
export class DpSgd {
  readonly #plan: Readonly<PrivacyPlan>;
  readonly #noise: NoiseSource;
  readonly #start: Float32Array;
  /** The parameters in float64; a caller who writes into `parameters` changes nothing here. */
  readonly #current: Float64Array;
  readonly #parameters: Float32Array;
  #stepsTaken = 0;
  #state: 'open' | 'failed' | 'finished' = 'open';

  /**
   * @param parameters the global parameters at the round's start, shape [parameterCount]; copied, all finite
   * @param noise      `webCryptoNoise()` in product code
   * @throws {RangeError} a field of the plan is out of its range, or there are no parameters
   * @throws {NumericalError} a parameter is not finite
   */
  constructor(plan: PrivacyPlan, parameters: Float32Array, noise: NoiseSource) {
    checkPrivacyPlan(plan);
    if (parameters.length === 0) throw new RangeError('expected at least one parameter, got none');
    requireFinite(parameters, 'parameters at the start of a round');
    this.#plan = Object.freeze({ ...plan });
    this.#noise = noise;
    this.#start = parameters.slice();
    this.#current = Float64Array.from(parameters);
    this.#parameters = parameters.slice();
  }

  /** The parameters after the steps so far, shape [parameterCount]; the same array, updated by each step. */
  get parameters(): Float32Array {
    return this.#parameters;
  }

  get stepsTaken(): number {
    return this.#stepsTaken;
  }

  /**
   * parameters −= learningRate · (clippedSum + N(0, (noiseMultiplier·clippingNorm)²)) / expectedBatchSize.
   * @param clippedSum sum of the clipped gradients of one Poisson sample, shape [parameterCount]; not changed
   * @throws {RangeError} another shape; the round can go on
   * @throws {NumericalError} clippedSum or the result is not finite; the round is lost
   * @throws {Error} the round has taken all its steps, is finished, or failed before
   */
  step(clippedSum: Float32Array): void {
    this.#requireOpen();
    if (this.#stepsTaken >= this.#plan.localSteps) {
      throw new Error(`expected ${this.#plan.localSteps} steps in this round, got one more; call finish`);
    }
    if (clippedSum.length !== this.#current.length) {
      throw new RangeError(`expected a sum of ${this.#current.length} values, got ${clippedSum.length}`);
    }
    this.#state = 'failed'; // until the step is complete
    requireFinite(clippedSum, 'a sum of clipped gradients');
    const noisySum = Float64Array.from(clippedSum);
    if (this.#plan.unit === 'example') this.#noise.addGaussian(noisySum, noiseStdDev(this.#plan));
    for (let i = 0; i < noisySum.length; i++) {
      this.#current[i]! -= this.#plan.learningRate * (noisySum[i]! / this.#plan.expectedBatchSize);
    }
    this.#parameters.set(this.#current);
    requireFinite(this.#parameters, 'parameters after a step');
    this.#stepsTaken += 1;
    this.#state = 'open';
  }

  /**
   * Ends the round. Possible once, after exactly `plan.localSteps` steps.
   * @returns change of the parameters over the round, shape [parameterCount], in float32
   * @throws {Error} steps are missing, the round failed, or it was finished before
   */
  finish(): Privatized<Float32Array> {
    this.#requireOpen();
    if (this.#stepsTaken !== this.#plan.localSteps) {
      throw new Error(`expected ${this.#plan.localSteps} steps before finish, got ${this.#stepsTaken}`);
    }
    this.#state = 'failed';
    const change = Float32Array.from(this.#current, (value, i) => value - this.#start[i]!);
    requireFinite(change, 'the change over a round');
    this.#state = 'finished';
    return markPrivatized(change, roundEvent(this.#plan));
  }

  #requireOpen(): void {
    if (this.#state === 'failed')
      throw new Error('this round failed in an earlier step; nothing of it may leave');
    if (this.#state === 'finished')
      throw new Error('this round is finished; start the next with a new DpSgd');
  }
}

function requireFinite(values: Float32Array, what: string): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at !== -1)
    throw new NumericalError(`expected finite ${what}, got ${values[at]} at ${at}; nothing is sent`);
}
