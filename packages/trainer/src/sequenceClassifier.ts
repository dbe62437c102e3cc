import type { Compute, Tensor } from '@chorale/compute';
import type { AdapterLayout, FrozenAdapter } from '@chorale/lora';
import {
  adapterLayout,
  adaptersOf,
  deriveBasis,
  disposeFrozenAdapter,
  initialHead,
  uploadFrozenAdapter,
} from '@chorale/lora';
import type { Encoder, ModelFiles, Pooling, TokenSequence } from '@chorale/model';
import {
  classify,
  classifyBackward,
  cutSequence,
  disposeEncoder,
  encoderBackward,
  encoderForward,
  oneHotLabels,
  padBatch,
  poolingWeights,
  readCheckpoint,
  uploadEncoder,
} from '@chorale/model';
import type { RunConfig } from '@chorale/protocol';

/** A text as the model sees it. */
export type Example = { sequence: TokenSequence; label: number };

/**
 * The frozen encoder with its adapter and head on one device: everything of a run but the trained parameters, which
 * come as a flat vector with each call.
 */
export class SequenceClassifier {
  readonly layout: AdapterLayout;
  readonly #compute: Compute;
  readonly #encoder: Encoder;
  readonly #frozen: FrozenAdapter;
  readonly #tokenize: (text: string) => number[];
  readonly #maxTokens: number;
  readonly #pooling: Pooling;
  readonly #classCount: number;

  /** @throws {ModelError} the files are no usable model; {RangeError} the adapter does not fit it */
  constructor(compute: Compute, files: ModelFiles, config: RunConfig) {
    const checkpoint = readCheckpoint(files);
    this.#compute = compute;
    this.#tokenize = checkpoint.tokenize;
    this.#maxTokens = Math.min(config.task.maxTokens, checkpoint.config.maxPositions);
    this.#pooling = config.task.pooling;
    this.#classCount = config.task.labels.length;
    this.layout = adapterLayout(checkpoint.config, config.adapter, this.#classCount);
    this.#encoder = uploadEncoder(compute.ops, checkpoint);
    this.#frozen = uploadFrozenAdapter(
      compute.ops,
      this.layout,
      deriveBasis(this.layout, config.adapter),
      initialHead(this.layout, config.adapter),
    );
  }

  /** Tokenizes one text; `cut` says that it was longer than the task's maxTokens. */
  encode(text: string): { sequence: TokenSequence; cut: boolean } {
    const ids = this.#tokenize(text);
    return { sequence: cutSequence(ids, this.#maxTokens), cut: ids.length > this.#maxTokens };
  }

  /**
   * Per-example gradients of the loss for all trained parameters: one batched forward and backward pass.
   * Rows from `examples.length` to `rowCount` are padding, with gradients of no meaning.
   * @param parameters [parameterCount]
   * @returns gradients [rowCount, parameterCount] on the device (the caller disposes), and losses [rowCount]
   */
  exampleGradients(
    parameters: Float32Array,
    examples: readonly Example[],
    rowCount: number,
  ): { gradients: Tensor; losses: Tensor } {
    const { ops } = this.#compute;
    return ops.scope(() => {
      const { pooled, saved, weights, adapters, headWeight } = this.#forward(parameters, examples, rowCount);
      const labels = Array.from({ length: rowCount }, (_, i) => examples[i]?.label ?? 0);
      const { losses, dLogits } = ops.softmaxCrossEntropy(
        classify(ops, pooled, headWeight),
        oneHotLabels(ops, labels, this.#classCount),
      );
      const { dPooled, headGradient } = classifyBackward(ops, dLogits, pooled, headWeight);
      const byModule = new Map<string, Tensor>();
      const dHidden = ops.poolTokensBackward(dPooled, weights);
      encoderBackward(ops, this.#encoder, adapters, saved, dHidden, (module, gradient) => {
        byModule.set(module, gradient);
      });
      const packed = this.layout.modules.map(({ name }) => byModule.get(name)!);
      if (this.layout.head.trained) packed.push(headGradient);
      return { gradients: ops.packExamples(packed), losses };
    });
  }

  /**
   * Class scores without gradients.
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
      const { pooled, headWeight } = this.#forward(parameters, examples, rowCount);
      return classify(ops, pooled, headWeight);
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
    disposeEncoder(this.#compute.ops, this.#encoder);
    disposeFrozenAdapter(this.#compute.ops, this.#frozen);
  }

  #forward(parameters: Float32Array, examples: readonly Example[], rowCount: number) {
    const { ops } = this.#compute;
    const batch = padBatch(
      examples.map((example) => example.sequence),
      { maxTokens: this.#maxTokens, padTokenId: this.#encoder.config.padTokenId, exampleCount: rowCount },
    );
    const { adapters, headWeight } = adaptersOf(ops, this.layout, this.#frozen, parameters);
    const { hidden, saved } = encoderForward(ops, this.#encoder, adapters, batch);
    const weights = poolingWeights(ops, batch, this.#pooling);
    const pooled = ops.poolTokens(hidden, weights); // [N, d]
    return { pooled, saved, weights, adapters, headWeight };
  }
}
