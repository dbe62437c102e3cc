import type { Compute, Tensor } from '@chorale/compute';
import type { Factors, TrainedRange } from '@chorale/lora';
import type { Example } from '../sequenceClassifier.ts';

/**
 * Stand-in for the model in an audit, the only one: examples whose gradients are known. Canary i has a gradient along
 * coordinate i of the trained range alone ("Dirac canary"), so that the update shows in coordinate i what became of canary i
 * and nothing else.
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
    return { sequence: { ids: new Uint32Array(1), typeIds: new Uint8Array(1) }, label: coordinate };
  }

  /** Every range is trained, by B alone. */
  factorsOf(): Factors {
    return { a: false, b: true };
  }

  /**
   * As `SequenceClassifier.exampleGradients`. Padding rows hold a canary's gradient too, each of another coordinate: a step
   * that forgets to mask them shows canaries that are not in the data.
   */
  exampleGradients(
    _parameters: Float32Array,
    examples: readonly Example[],
    rowCount: number,
    { start, end }: TrainedRange,
  ): { gradients: Tensor; losses: Tensor } {
    const { ops } = this.#compute;
    const width = end - start;
    const values = new Float32Array(rowCount * width);
    for (let row = 0; row < rowCount; row++) {
      const coordinate = examples[row]?.label ?? row % width;
      // Down along -gradient: the update moves a drawn canary's coordinate up
      values[row * width + coordinate] = -this.#gradientNorm;
    }
    return {
      gradients: ops.tensor(values, [rowCount, width]),
      losses: ops.tensor(new Float32Array(rowCount), [rowCount]),
    };
  }
}
