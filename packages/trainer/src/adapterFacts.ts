import type {
  AdapterConfig,
  AdapterLayout,
  Basis,
  HeadValues,
  LayoutTensor,
  TrainedRange,
} from '@chorale/lora';
import {
  adapterLayout,
  basisBytes,
  deriveBasis,
  initialHead,
  initialParameters,
  layoutTensors,
  writePeft,
} from '@chorale/lora';
import type { Checkpoint, ModelFiles } from '@chorale/model';
import { frozenWeight, readCheckpoint } from '@chorale/model';
import type { RunConfig } from '@chorale/protocol';
import { sha256Hex } from '@chorale/protocol';
import { checkTask } from './taskCheck.ts';

/** What server and tabs must agree on before the first round; each derives it for itself. */
export type AdapterFacts = {
  /** SHA-256 over the derived A matrices. */
  basisHash: string;
  parameterCount: number;
  /** What the global adapter is made of, in its order. */
  tensors: LayoutTensor[];
  /** What the first, second, … round trains; after the last one from the first again. */
  trainedRanges: TrainedRange[];
  /** The global adapter of version 0, [parameterCount]. */
  initialParameters: Float32Array;
};

/**
 * Derives a run's adapter from its model and config. A basis from singular vectors takes about a second per module of a
 * base-sized model.
 * @throws {ModelError} the model cannot be used; {RangeError} the adapter does not fit it; and as `checkTask`
 */
export async function describeAdapter(files: ModelFiles, config: RunConfig): Promise<AdapterFacts> {
  const checkpoint = readCheckpoint(files);
  checkTask(files, checkpoint, config.task);
  const { layout, basis, head } = adapterOn(files, checkpoint, config);
  return {
    basisHash: await sha256Hex(basisBytes(basis)),
    parameterCount: layout.parameterCount,
    tensors: layoutTensors(layout),
    trainedRanges: layout.trainedRanges,
    initialParameters: initialParameters(layout, { basis, head }),
  };
}

/**
 * The global adapter in Hugging Face PEFT's layout.
 * @param parameters [parameterCount]
 * @param base       what `base_model_name_or_path` and `revision` say
 * @returns file name → bytes
 */
export function exportPeft(
  files: ModelFiles,
  config: RunConfig,
  parameters: Float32Array,
  base: { baseModel: string; revision: string | null },
): Map<string, Uint8Array> {
  const { checkpoint, layout, basis, head } = openAdapter(files, config);
  const { labels, pooling, textPair } = config.task;
  return writePeft(
    {
      encoder: checkpoint.config,
      config: config.adapter,
      layout,
      parameters,
      basis,
      initialHead: head,
      pooler: pooling === 'cls' ? checkpoint.pooler : null,
    },
    { ...base, labels, pooling, textPair },
  );
}

/**
 * Reads a model and derives the adapter a config puts on it.
 * @returns `head`: its start, and where it is frozen all there is of it
 * @throws {ModelError} the model cannot be used; {RangeError} the adapter does not fit it, or its classifier knows other
 *   classes than the task and is to stay frozen
 */
export function openAdapter(
  files: ModelFiles,
  config: Pick<RunConfig, 'adapter' | 'task'>,
): { checkpoint: Checkpoint } & DerivedAdapter {
  const checkpoint = readCheckpoint(files);
  return { checkpoint, ...adapterOn(files, checkpoint, config) };
}

type DerivedAdapter = { layout: AdapterLayout; basis: Basis; head: HeadValues };

function adapterOn(
  files: ModelFiles,
  checkpoint: Checkpoint,
  { adapter, task }: Pick<RunConfig, 'adapter' | 'task'>,
): DerivedAdapter {
  const layout = adapterLayout(checkpoint.config, adapter, task.labels.length);
  const { classifier } = checkpoint;
  const head = initialHead(layout, adapter, { classifier, labels: task.labels });
  return { layout, basis: basisOf(files, checkpoint, layout, adapter), head };
}

/**
 * The basis last derived of each model: a tab derives it to check it and again to use it, and a base-sized model's
 * singular vectors take long.
 */
const lastBasis = new WeakMap<ModelFiles, { key: string; basis: Basis }>();

function basisOf(
  files: ModelFiles,
  checkpoint: Checkpoint,
  layout: AdapterLayout,
  { basis: kind, seed }: AdapterConfig,
): Basis {
  const shapes = layout.modules.map(({ name, inDim }) => [name, inDim]);
  const key = JSON.stringify([kind, seed, layout.rank, shapes]);
  const known = lastBasis.get(files);
  if (known?.key === key) return known.basis;
  const basis = deriveBasis(layout, { basis: kind, seed }, (module) => frozenWeight(checkpoint, module));
  lastBasis.set(files, { key, basis });
  return basis;
}
