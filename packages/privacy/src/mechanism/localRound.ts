import type { Mechanism } from './mechanism.ts';
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
 * One tab's round of local steps. It owns the parameters from the round's start to its end, so that only what the plan's
 * mechanism lets through can reach what `finish` marks as privatized. Made by `startLocalRound`.
 *
 * It fails closed: after any error inside a step nothing can be finished. With a protecting unit no error depends on
 * noised values, for whether an update comes would be one more release of them.
 */
export abstract class LocalRound {
  readonly mechanism: Mechanism;
  readonly #start: Float32Array;
  /** The parameters in float64; a caller who writes into `parameters` changes nothing here. */
  readonly #current: Float64Array;
  readonly #parameters: Float32Array;
  #stepsTaken = 0;
  #state: 'open' | 'failed' | 'finished' = 'open';

  /**
   * @param parameters the global parameters at the round's start, shape [parameterCount]; copied, all finite
   * @throws {RangeError} there are no parameters
   * @throws {NumericalError} a parameter is not finite
   */
  constructor(mechanism: Mechanism, parameters: Float32Array) {
    if (parameters.length === 0) throw new RangeError('expected at least one parameter, got none');
    requireFinite(parameters, 'parameters at the start of a round');
    this.mechanism = mechanism;
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
   * Takes one step.
   * @param sum over one Poisson sample, shape [parameterCount], not changed: zeros for a sample without examples. What
   *   kind of sum is said by `mechanism.gradientSums`
   * @throws {RangeError} another shape; the round can go on
   * @throws {NumericalError} the sum is not what it must be or, under unit `none`, the result is not finite; the round is
   *   lost
   * @throws {Error} the round has taken all its steps, is finished, or failed before
   */
  step(sum: Float64Array): void {
    this.#requireOpen();
    const { localSteps } = this.mechanism.plan;
    if (this.#stepsTaken >= localSteps) {
      throw new Error(`expected ${localSteps} steps in this round, got one more; call finish`);
    }
    if (sum.length !== this.#current.length) {
      throw new RangeError(`expected a sum of ${this.#current.length} values, got ${sum.length}`);
    }
    this.#state = 'failed'; // until the step is complete
    this.descend(this.#current, sum, this.#start);
    this.#parameters.set(this.#current);
    this.#stepsTaken += 1;
    this.#state = 'open';
  }

  /**
   * Ends the round. Possible once, after exactly `localSteps` steps.
   * @returns change of the parameters over the round, shape [parameterCount], in float32
   * @throws {NumericalError} unit `none`: the change does not fit float32
   * @throws {Error} steps are missing, the round failed, or it was finished before
   */
  finish(): Privatized<Float32Array> {
    this.#requireOpen();
    const { localSteps } = this.mechanism.plan;
    if (this.#stepsTaken !== localSteps) {
      throw new Error(`expected ${localSteps} steps before finish, got ${this.#stepsTaken}`);
    }
    this.#state = 'failed';
    const update = this.release(this.#current.map((value, i) => value - this.#start[i]!));
    this.#state = 'finished';
    return update;
  }

  /**
   * Moves `current` by one step, in place; float32 can hold it afterwards, or this throws.
   * @param start the parameters at the round's start; not to be changed
   */
  protected abstract descend(current: Float64Array, sum: Float64Array, start: Float32Array): void;

  /** Marks the change of a whole round, after whatever the mechanism still has to do to it; finite, or this throws. */
  protected abstract release(change: Float64Array): Privatized<Float32Array>;

  #requireOpen(): void {
    if (this.#state === 'failed')
      throw new Error('this round failed in an earlier step; nothing of it may leave');
    if (this.#state === 'finished') throw new Error('this round is finished; start the next one');
  }
}

/** @throws {NumericalError} naming the first value that is not finite */
export function requireFinite(values: Float32Array | Float64Array, what: string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new NumericalError(`expected finite ${what}, got ${values[i]} at ${i}; nothing is sent`);
    }
  }
}
