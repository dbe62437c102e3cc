import type { Compute } from '@chorale/compute';
import { bucketLength } from '@chorale/model';
import type { PrivacyPlan } from '@chorale/privacy';
import { mechanismOf } from '@chorale/privacy';
import { sumGradients } from './clientUpdate.ts';
import { countCorrect } from './localCounts.ts';
import type { Example, SequenceClassifier } from './sequenceClassifier.ts';

export type DryRunOptions = {
  compute: Compute;
  classifier: SequenceClassifier;
  plan: PrivacyPlan;
  /** An integer from 1 to 512: the one that rounds will have. */
  microBatchSize: number;
  /** Called before each device step, and at the end, with the share that is done. */
  onProgress?: (fraction: number) => void;
};

/** Away from zero, where every gradient that a round computes is some number. */
const PARAMETER = 0.01;

/**
 * Computes once what a round will: on full micro-batches of every padded length that the task has, sums of gradients for
 * every range that is trained, and scores where the plan counts with them. The tokens and parameters are fixed and public,
 * the code is the round's.
 *
 * Whether a device has the memory for a step depends on the lengths of the texts in it, and the server sees a device that
 * fails: a round must not be the first to ask for any shape. All lengths, for tfjs keeps buffers of every size it ever
 * used on webgpu and webgl, so that all of them must have room together; the longest first, which fails soonest.
 * @throws {DeviceError} the device failed; `memory`: it has no room for steps of this size
 */
export async function dryRun({
  compute,
  classifier,
  plan,
  microBatchSize,
  onProgress = () => undefined,
}: DryRunOptions): Promise<void> {
  const { layout, stepShape } = classifier;
  const parameters = new Float32Array(layout.parameterCount).fill(PARAMETER);
  const mechanism = mechanismOf(plan);
  const steps = paddedLengths(stepShape.maxTokens).flatMap((length) => {
    const examples = Array.from({ length: microBatchSize }, () => exampleOf(length));
    const sums = layout.trainedRanges.map(
      (range) => () =>
        compute.guard(() =>
          sumGradients(parameters, examples, mechanism, { compute, classifier, range, microBatchSize }),
        ),
    );
    const count = () => countCorrect(parameters, examples, { compute, classifier, microBatchSize });
    return mechanism.localCounts === null ? sums : [...sums, count];
  });
  for (const [i, step] of steps.entries()) {
    onProgress(i / steps.length);
    await step();
  }
  onProgress(1);
}

/** Every length that a batch of a task can be padded to, the longest first. */
export function paddedLengths(maxTokens: number): number[] {
  const lengths = [bucketLength(1, maxTokens)];
  for (let last = lengths[0]!; last < maxTokens; lengths.unshift(last))
    last = bucketLength(last + 1, maxTokens);
  return lengths;
}

/** A text of one token over and over, the first of every vocabulary. */
function exampleOf(length: number): Example {
  return { sequence: { ids: new Uint32Array(length), typeIds: new Uint8Array(length) }, label: 0 };
}
