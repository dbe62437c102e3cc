import { LocalRound, requireFinite } from './localRound.ts';
import type { Mechanism } from './mechanism.ts';
import { markPrivatized } from './privatized.ts';
import type { Privatized } from './privatized.ts';

/** A round with unit `none`: plain SGD. It protects nobody, and its event says so; numbers that overflow end it. */
export class UnprotectedSgd extends LocalRound {
  constructor(mechanism: Mechanism, parameters: Float32Array) {
    super(mechanism, parameters);
    if (mechanism.plan.unit !== 'none') {
      throw new RangeError(`expected a plan with unit 'none', got '${mechanism.plan.unit}'`);
    }
  }

  /** parameters −= learningRate · sum / expectedBatchSize. */
  protected override descend(current: Float64Array, sum: Float64Array): void {
    const { learningRate, expectedBatchSize } = this.mechanism.plan;
    requireFinite(sum, 'a sum of gradients');
    for (let i = 0; i < current.length; i++) current[i]! -= learningRate * (sum[i]! / expectedBatchSize);
    requireFinite(Float32Array.from(current), 'parameters after a step');
  }

  protected override release(change: Float64Array): Privatized<Float32Array> {
    const values = Float32Array.from(change);
    requireFinite(values, 'the change over a round');
    return markPrivatized(values, this.mechanism.updateEvent);
  }
}
