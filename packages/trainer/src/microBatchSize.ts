import type { AdapterLayout } from '@chorale/lora';
import { STRATEGIES } from '@chorale/lora';
import type { EncoderConfig } from '@chorale/model';
import { bucketLength } from '@chorale/model';
import { MICRO_BATCH_SIZE } from './microBatches.ts';

/** What of a run decides how much memory a step takes; all of it public. */
export type StepShape = {
  encoder: Pick<EncoderConfig, 'layerCount' | 'hiddenSize' | 'intermediateSize' | 'headCount'>;
  layout: Pick<AdapterLayout, 'strategy' | 'rank' | 'modules' | 'trainedRanges'>;
  /** The task's longest sequence. */
  maxTokens: number;
};

/**
 * How many examples a device computes at a time: as many as fit, at most `MICRO_BATCH_SIZE`, a power of two. An estimate
 * from the device and the run alone. It bounds the longest of a run's sequences, whatever is drawn; what really fits, the
 * device shows in a dry run (`dryRun`) before any private row. The sum over a batch is the
 * same for every size (to the last unit on cpu, wasm and webgl; on webgpu, whose programs differ by shape, to a unit of
 * rounding per example).
 * @param memoryBytes    what a step may take besides the model's own weights
 * @param maxTensorBytes the device's largest tensor; null when it knows no bound
 * @returns 1 when not even one example fits: the device's guard then decides
 * @throws {RangeError} memoryBytes is not a positive number
 */
export function microBatchSizeFor(
  shape: StepShape,
  { memoryBytes, maxTensorBytes }: { memoryBytes: number; maxTensorBytes: number | null },
): number {
  if (!(memoryBytes > 0)) throw new RangeError(`memoryBytes must be over 0, got ${memoryBytes}`);
  const { inAll, largest } = bytesPerExample(shape);
  const fits = (size: number) =>
    size * inAll <= memoryBytes && size * largest <= (maxTensorBytes ?? Infinity);
  let size = MICRO_BATCH_SIZE;
  while (size > 1 && !fits(size)) size /= 2;
  return size;
}

const FLOAT_BYTES = 4;

/** Copies of the packed gradients while they are packed, measured and summed. */
const GRADIENT_COPIES = 4;

/**
 * What one example of the longest length takes in the forward and backward pass: what every layer saves, what the layer in
 * work needs besides, and the per-example gradients. An estimate from above: measured on wasm for hidden sizes of 128 and
 * 384, 64 to 256 tokens and all strategies it was 1.0 to 1.3 times what tfjs held at most.
 */
export function bytesPerExample({ encoder, layout, maxTokens }: StepShape): {
  inAll: number;
  largest: number;
} {
  const { layerCount, hiddenSize, intermediateSize, headCount } = encoder;
  const { rank, modules, trainedRanges, strategy } = layout;
  const tokens = bucketLength(maxTokens, maxTokens);
  const hidden = tokens * hiddenSize;
  const inner = tokens * intermediateSize;
  const scores = headCount * tokens * tokens;
  // q, k, v, two normalized inputs; the activation's input; attention probabilities
  const saved = layerCount * (5 * hidden + inner + scores);
  const adapters = modules.length * tokens * rank;
  const inputs = STRATEGIES[strategy].turns.some(({ a }) => a) ? tokens * inputWidth(modules) : 0;
  const layerInWork = 12 * hidden + 4 * inner + 4 * scores;
  const gradient = Math.max(...trainedRanges.map(({ start, end }) => end - start));
  return {
    inAll: FLOAT_BYTES * (saved + adapters + inputs + layerInWork + GRADIENT_COPIES * gradient),
    largest: FLOAT_BYTES * Math.max(hidden, inner, scores, gradient),
  };
}

/** Numbers per token in the inputs of the adapted modules, which A's gradients need; query, key and value share theirs. */
function inputWidth(modules: StepShape['layout']['modules']): number {
  const widths = new Map<string, number>();
  for (const { layer, module, inDim } of modules) {
    widths.set(`${layer} ${module.startsWith('attention.self.') ? 'attention.self' : module}`, inDim);
  }
  return [...widths.values()].reduce((sum, width) => sum + width, 0);
}
