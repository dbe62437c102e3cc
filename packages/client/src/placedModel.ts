import type { RunPlan } from '@chorale/protocol';
import type { Compute, ModelFiles } from '@chorale/trainer';
import { SequenceClassifier, dryRun, microBatchSizeFor, privacyPlanOf } from '@chorale/trainer';
import { deviceMemoryGiB, stepMemoryBytes } from './memoryBudget.ts';

/** The model on a device, the device that it is on, and how many examples that computes at a time. */
export type PlacedModel = {
  classifier: SequenceClassifier;
  compute: Compute;
  microBatchSize: number;
  dispose(): void;
};

/**
 * Puts a run's model on a device.
 * @param stepShare of the examples that fit by the memory budget, what the device has shown to have room for
 * @throws {DeviceError} the device cannot hold it
 */
export function placeModel(
  compute: Compute,
  files: ModelFiles,
  { plan, stepShare }: { plan: RunPlan; stepShare: number },
): PlacedModel {
  const { backend, device } = compute;
  const classifier = new SequenceClassifier(compute, files, plan.config);
  const memoryBytes = stepMemoryBytes({
    deviceMemoryGiB: deviceMemoryGiB(),
    backend,
    frozenCopies: device.frozenCopies,
    modelBytes: plan.model.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  });
  const fits = microBatchSizeFor(classifier.stepShape, {
    memoryBytes,
    maxTensorBytes: device.maxTensorBytes,
  });
  return {
    classifier,
    compute,
    microBatchSize: Math.max(1, fits * stepShare),
    dispose: () => classifier.dispose(),
  };
}

/**
 * Computes once all that a round of the plan can ask of the device, without anybody's rows; see `dryRun`.
 * @throws {DeviceError} the device failed
 */
export async function tryOut(
  { classifier, compute, microBatchSize }: PlacedModel,
  plan: RunPlan,
  onProgress: (fraction: number) => void,
): Promise<void> {
  const guard: Compute['guard'] = async (step) => {
    // wasm and cpu compute without ever giving the worker back, and the page may have asked something
    await new Promise((resolve) => setTimeout(resolve));
    return await compute.guard(step);
  };
  await dryRun({
    compute: { ...compute, guard },
    classifier,
    plan: privacyPlanOf(plan),
    microBatchSize,
    onProgress,
  });
}
