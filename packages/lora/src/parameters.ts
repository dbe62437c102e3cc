import type { Checkpoint } from '@chorale/model';
import type { AdapterConfig, AdapterLayout } from './adapterLayout.ts';
import type { Basis } from './basis.ts';
import { BasisStream } from './basisStream.ts';

/** Standard deviation of a fresh head weight, as Hugging Face's initializer_range. */
const HEAD_STD = 0.02;

/** A classifier: weight [hiddenSize, classCount], row-major, and bias [classCount]. */
export type HeadValues = { weight: Float32Array; bias: Float32Array };

/**
 * The head before training, the same for everybody: the checkpoint's own classifier when it has as many classes as the
 * task, else a weight from the public stream (`docs/basis.md`) and no bias.
 * @throws {RangeError} the classifier's weight has another size than classes times hiddenSize
 */
export function initialHead(
  layout: AdapterLayout,
  { seed }: Pick<AdapterConfig, 'seed'>,
  classifier: Checkpoint['classifier'],
): HeadValues {
  const { rows, columns } = layout.head;
  if (classifier?.classCount === columns) {
    const { weight, bias } = classifier;
    if (weight.length !== rows * columns || bias.length !== columns) {
      throw new RangeError(
        `expected a classifier of ${rows} times ${columns} weights and ${columns} biases, ` +
          `got ${weight.length} and ${bias.length}`,
      );
    }
    return { weight: weight.slice(), bias: bias.slice() };
  }
  const stream = new BasisStream(seed, 'head');
  return {
    weight: Float32Array.from({ length: rows * columns }, () => stream.bell() * HEAD_STD),
    bias: new Float32Array(columns),
  };
}

/**
 * All parameters before the first round: B = 0 everywhere, so that the model starts as the frozen one; the head, if
 * trained, from its public start; A, if trained, from the basis.
 * @returns [parameterCount]
 */
export function initialParameters(
  layout: AdapterLayout,
  adapter: Pick<AdapterConfig, 'seed'>,
  { basis, classifier }: { basis: Basis; classifier: Checkpoint['classifier'] },
): Float32Array {
  const parameters = new Float32Array(layout.parameterCount);
  const { trained, offset, biasOffset } = layout.head;
  if (trained) {
    const { weight, bias } = initialHead(layout, adapter, classifier);
    parameters.set(weight, offset);
    parameters.set(bias, biasOffset);
  }
  layout.modules.forEach(({ aOffset }, i) => {
    if (aOffset !== null) parameters.set(basis[i]!, aOffset);
  });
  return parameters;
}
