import type { Compute, Tensor } from '@chorale/compute';
import type { AdapterLayout, Factors, FrozenAdapter, TrainedRange } from '@chorale/lora';
import { adaptersOf, disposeFrozenAdapter, factorsOfRange, uploadFrozenAdapter } from '@chorale/lora';
import type {
  Encoder,
  ForwardOptions,
  ModelFiles,
  Pooler,
  Pooling,
  TextTokenizer,
  TokenSequence,
} from '@chorale/model';
import {
  classify,
  classifyBackward,
  disposeEncoder,
  disposePooler,
  encoderBackward,
  encoderForward,
  oneHotLabels,
  padBatch,
  pool,
  poolBackward,
  uploadEncoder,
  uploadPooler,
} from '@chorale/model';
import type { RunConfig } from '@chorale/protocol';
import { openAdapter } from './adapterFacts.ts';
import type { StepShape } from './microBatchSize.ts';

/** A text as the model sees it. */
export type Example = { sequence: TokenSequence; label: number };

/**
 * The frozen encoder with its adapter and head on one device: everything of a run but the parameters, which come as a flat
 * vector with each call.
 */
export class SequenceClassifier {
  readonly layout: AdapterLayout;
  /** What a step's memory follows from, for `microBatchSizeFor`. */
  readonly stepShape: StepShape;
  readonly #compute: Compute;
  readonly #encoder: Encoder;
  readonly #pooler: Pooler | null;
  readonly #frozen: FrozenAdapter;
  readonly #tokenizer: TextTokenizer;
  readonly #maxTokens: number;
  readonly #pooling: Pooling;
  readonly #classCount: number;

  /** @throws {ModelError} the files are no usable model; {RangeError} the adapter does not fit it */
  constructor(compute: Compute, files: ModelFiles, config: RunConfig) {
    const { checkpoint, layout, basis, head } = openAdapter(files, config);
    const { ops } = compute;
    this.layout = layout;
    this.#compute = compute;
    this.#tokenizer = checkpoint.tokenizer;
    this.#maxTokens = Math.min(config.task.maxTokens, checkpoint.config.maxPositions);
    this.#pooling = config.task.pooling;
    this.#classCount = config.task.labels.length;
    this.stepShape = { encoder: checkpoint.config, layout, maxTokens: this.#maxTokens };
    this.#encoder = uploadEncoder(ops, checkpoint);
    this.#pooler = uploadPooler(ops, checkpoint, this.#pooling);
    this.#frozen = uploadFrozenAdapter(ops, layout, basis, head);
  }

  /**
   * Tokenizes one text, or two that are read together; `cut` says that they were longer than the task's maxTokens.
   * @param textPair the second text; null for a task of single texts
   */
  encode(text: string, textPair: string | null): { sequence: TokenSequence; cut: boolean } {
    return this.#tokenizer.encode(text, textPair, this.#maxTokens);
  }

  /**
   * Which factors a round of one range trains.
   * @throws {RangeError} the strategy trains no such range
   */
  factorsOf(range: TrainedRange): Factors {
    return factorsOfRange(this.layout, range);
  }

  /**
   * Per-example gradients of the loss for the parameters of one range: one batched forward and backward pass.
   * Rows from `examples.length` to `rowCount` are padding, with gradients of no meaning.
   * @param parameters all of them, [parameterCount]
   * @param range one of the layout's `trainedRanges`
   * @returns gradients [rowCount, end - start] on the device (the caller disposes), and losses [rowCount]
   * @throws {RangeError} the strategy trains no such range
   */
  exampleGradients(
    parameters: Float32Array,
    examples: readonly Example[],
    rowCount: number,
    range: TrainedRange,
  ): { gradients: Tensor; losses: Tensor } {
    const { ops } = this.#compute;
    const factors = this.factorsOf(range);
    return ops.scope(() => {
      const { adapters, head, saved, pooled } = this.#forward(parameters, examples, rowCount, {
        save: true,
        factors,
      });
      const labels = Array.from({ length: rowCount }, (_, i) => examples[i]?.label ?? 0);
      const { losses, dLogits } = ops.softmaxCrossEntropy(
        classify(ops, pooled.pooled, head),
        oneHotLabels(ops, labels, this.#classCount),
      );
      const ofHead = classifyBackward(ops, dLogits, pooled.pooled, head);
      const dHidden = poolBackward(ops, ofHead.dPooled, pooled.saved);
      const gradients = { a: new Map<string, Tensor>(), b: new Map<string, Tensor>() };
      encoderBackward(ops, this.#encoder, adapters, saved!, dHidden, {
        factors,
        onGradient: (module, factor, gradient) => void gradients[factor].set(module, gradient),
      });
      const { modules, head: headLayout } = this.layout;
      const packed = [
        ...(factors.b ? modules.map(({ name }) => gradients.b.get(name)!) : []),
        ...(headLayout.trained ? [ofHead.weightGradient, ofHead.biasGradient] : []),
        ...(factors.a ? modules.map(({ name }) => gradients.a.get(name)!) : []),
      ];
      return { gradients: ops.packExamples(packed), losses };
    });
  }

  /**
   * Class scores without gradients.
   * @param parameters all of them, [parameterCount]
   * @param rowCount rows the device computes, at least one for each sequence; the others are padding
   * @returns logits, [N * classCount] for N sequences, row by row
   */
  async logits(
    parameters: Float32Array,
    sequences: readonly TokenSequence[],
    rowCount = sequences.length,
  ): Promise<Float32Array> {
    const { ops } = this.#compute;
    const examples = sequences.map((sequence) => ({ sequence, label: 0 }));
    const logits = ops.scope(() => {
      const { pooled, head } = this.#forward(parameters, examples, rowCount, { save: false });
      return classify(ops, pooled.pooled, head);
    });
    const values = await ops.read(logits);
    ops.dispose(logits);
    return values.slice(0, sequences.length * this.#classCount);
  }

  /** Index of the largest of one row's scores; -1 when one is NaN. */
  static bestClass(scores: Float32Array): number {
    return scores.indexOf(Math.max(...scores));
  }

  dispose(): void {
    const { ops } = this.#compute;
    disposeEncoder(ops, this.#encoder);
    disposePooler(ops, this.#pooler);
    disposeFrozenAdapter(ops, this.#frozen);
  }

  #forward(
    parameters: Float32Array,
    examples: readonly Example[],
    rowCount: number,
    options: ForwardOptions,
  ) {
    const { ops } = this.#compute;
    const batch = padBatch(
      examples.map((example) => example.sequence),
      { maxTokens: this.#maxTokens, padTokenId: this.#encoder.config.padTokenId, exampleCount: rowCount },
    );
    const { adapters, head } = adaptersOf(ops, this.layout, this.#frozen, parameters);
    const { hidden, saved } = encoderForward(ops, this.#encoder, adapters, batch, options);
    const pooled = pool(ops, { hidden, batch, pooling: this.#pooling, pooler: this.#pooler });
    return { adapters, head, saved, pooled };
  }
}
