import type { Compute, Tensor } from '@chorale/compute';
import type { Example } from '../sequenceClassifier.ts';

/**
 * Stand-in for the model in an audit, the only one: examples whose gradients are known. Canary i has a gradient along
 * coordinate i alone ("Dirac canary"), so that the update shows in coordinate i what became of canary i and nothing else.
 * Everything that makes a gradient private, from the Poisson coins to the bytes that leave, is the real code.
 */
export class CanaryGradients {
  readonly #compute: Compute;
  readonly #gradientNorm: number;

  /** @param gradientNorm L2 norm of every canary's gradient; well over clippingNorm, so that clipping must act */
  constructor(compute: Compute, gradientNorm: number) {
    this.#compute = compute;
    this.#gradientNorm = gradientNorm;
  }

  /** Canary of a coordinate, as a row of the data set. */
  static example(coordinate: number): Example {
    return { sequence: new Uint32Array(1), label: coordinate };
  }

  /**
   * As `SequenceClassifier.exampleGradients`. Padding rows hold a canary's gradient too, each of another coordinate: a step
   * that forgets to mask them shows canaries that are not in the data.
   */
  exampleGradients(
    parameters: Float32Array,
    examples: readonly Example[],
    rowCount: number,
  ): { gradients: Tensor; losses: Tensor } {
    const { ops } = this.#compute;
    const values = new Float32Array(rowCount * parameters.length);
    for (let row = 0; row < rowCount; row++) {
      const coordinate = examples[row]?.label ?? row % parameters.length;
      // Down along -gradient: the update moves a drawn canary's coordinate up
      values[row * parameters.length + coordinate] = -this.#gradientNorm;
    }
    return {
      gradients: ops.tensor(values, [rowCount, parameters.length]),
      losses: ops.tensor(new Float32Array(rowCount), [rowCount]),
    };
  }
}
