import type { Checkpoint, ClassifierWeights } from '@chorale/model';
import type { AdapterConfig, AdapterLayout } from './adapterLayout.ts';
import type { Basis } from './basis.ts';
import { BasisStream } from './basisStream.ts';

/** Standard deviation of a fresh head weight, as Hugging Face's initializer_range. */
const HEAD_STD = 0.02;

/** A classifier: weight [hiddenSize, classCount], row-major, and bias [classCount]. */
export type HeadValues = { weight: Float32Array; bias: Float32Array };

/** What decides the head's start besides the seed. */
export type HeadStart = {
  classifier: Checkpoint['classifier'];
  /** The task's labels, in the order of the class indices. */
  labels: readonly string[];
};

/**
 * The head before training, the same for everybody: the checkpoint's own classifier, its columns in the order of the
 * task's labels, when it has these classes; else a weight from the public stream (`docs/basis.md`) and no bias.
 * @throws {RangeError} the head is frozen, and the classifier's classes have other names than the task's labels; or its
 *   weight has another size than classes times hiddenSize
 */
export function initialHead(
  layout: AdapterLayout,
  { seed }: Pick<AdapterConfig, 'seed'>,
  { classifier, labels }: HeadStart,
): HeadValues {
  const { rows, columns, trained } = layout.head;
  const classes = classifier && classesOfLabels(classifier, labels);
  if (classes) return reordered(classifier, classes, rows);
  if (classifier?.labels && !trained) {
    throw new RangeError(
      `adapter.head is frozen, and the model's classifier knows the classes ${listed(classifier.labels)}; expected the ` +
        `task's labels ${listed(labels)}. Rename the labels, train the head, or take another model`,
    );
  }
  const stream = new BasisStream(seed, 'head');
  return {
    weight: Float32Array.from({ length: rows * columns }, () => stream.bell() * HEAD_STD),
    bias: new Float32Array(columns),
  };
}

/**
 * The classifier's class for each of the task's labels: by name, without regard to case and surrounding space. A
 * classifier whose classes have no names is taken in its own order when the number fits.
 * @returns null when the classifier has other classes
 */
function classesOfLabels(
  { classCount, labels: known }: Pick<ClassifierWeights, 'classCount' | 'labels'>,
  labels: readonly string[],
): number[] | null {
  if (classCount !== labels.length) return null;
  const inOrder = labels.map((_, i) => i);
  // The names the library gives where there are none: a task may call its labels so, in any order
  const names = (known ?? inOrder.map((i) => `LABEL_${i}`)).map(foldName);
  const classes = labels.map((label) => names.indexOf(foldName(label)));
  if (!classes.includes(-1) && new Set(classes).size === classCount) return classes;
  return known === null ? inOrder : null;
}

function foldName(name: string): string {
  return name.trim().toLowerCase();
}

/** @param classes the classifier's class of each column */
function reordered(
  { weight, bias, classCount }: ClassifierWeights,
  classes: readonly number[],
  rows: number,
): HeadValues {
  if (weight.length !== rows * classCount || bias.length !== classCount) {
    throw new RangeError(
      `expected a classifier of ${rows} times ${classCount} weights and ${classCount} biases, ` +
        `got ${weight.length} and ${bias.length}`,
    );
  }
  return {
    weight: weight.map((_, i) => {
      const column = i % classCount;
      return weight[i - column + classes[column]!]!;
    }),
    bias: bias.map((_, i) => bias[classes[i]!]!),
  };
}

/** The first names, each cut: a model of a thousand classes is no reason for a page of error. */
function listed(names: readonly string[]): string {
  const few = names.slice(0, 8).map((name) => name.slice(0, 60));
  return `${few.join(', ')}${names.length > 8 ? ' and more' : ''}`;
}

/**
 * All parameters before the first round: B = 0 everywhere, so that the model starts as the frozen one; the head, if
 * trained, from its public start; A, if trained, from the basis.
 * @param start `head`: from `initialHead`
 * @returns [parameterCount]
 */
export function initialParameters(
  layout: AdapterLayout,
  { basis, head }: { basis: Basis; head: HeadValues },
): Float32Array {
  const parameters = new Float32Array(layout.parameterCount);
  const { trained, offset, biasOffset } = layout.head;
  if (trained) {
    parameters.set(head.weight, offset);
    parameters.set(head.bias, biasOffset);
  }
  layout.modules.forEach(({ aOffset }, i) => {
    if (aOffset !== null) parameters.set(basis[i]!, aOffset);
  });
  return parameters;
}
