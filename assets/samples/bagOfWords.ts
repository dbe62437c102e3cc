// `node assets/samples/bagOfWords.ts`: how far word counts alone get on the test file. The bar for a real encoder.
import { createSampleFiles, type Row } from './files.ts';

export type BagOfWordsResult = { trainAccuracy: number; testAccuracy: number };

const L2 = 1e-3;
const STEPS = 400;
const LEARNING_RATE = 2;

/** Logistic regression on unigram presence with an L2 penalty, full-batch gradient descent from zero. */
export function bagOfWordsAccuracy(train: readonly Row[], test: readonly Row[]): BagOfWordsResult {
  const vocabulary = new Map<string, number>();
  for (const { text } of train) {
    for (const word of wordsOf(text)) if (!vocabulary.has(word)) vocabulary.set(word, vocabulary.size);
  }
  const encode = (rows: readonly Row[]): Example[] =>
    rows.map(({ text, label }) => ({
      features: wordsOf(text).flatMap((word) => vocabulary.get(word) ?? []),
      target: label === 'money' ? 1 : 0,
    }));
  const trainExamples = encode(train);
  const model = fit(trainExamples, vocabulary.size);
  return { trainAccuracy: accuracy(model, trainExamples), testAccuracy: accuracy(model, encode(test)) };
}

/** The numbers for the files as they are: trained on all contributors' rows, tried on the test rows. */
export function sampleFilesAccuracy(): BagOfWordsResult {
  const files = createSampleFiles();
  const rowsOf = (pattern: RegExp): Row[] =>
    files.filter(({ name }) => pattern.test(name)).flatMap(({ rows }) => rows);
  return bagOfWordsAccuracy(rowsOf(/^contributor-/), rowsOf(/^test\./));
}

type Example = { features: readonly number[]; target: 0 | 1 };
type Model = { weights: Float64Array; bias: number };

function wordsOf(text: string): string[] {
  return [...new Set(text.toLowerCase().match(/[a-z']+/g))];
}

function fit(examples: readonly Example[], featureCount: number): Model {
  const weights = new Float64Array(featureCount);
  let bias = 0;
  for (let step = 0; step < STEPS; step++) {
    const gradient = new Float64Array(featureCount);
    let biasGradient = 0;
    for (const { features, target } of examples) {
      const error = 1 / (1 + Math.exp(-score({ weights, bias }, features))) - target;
      for (const feature of features) gradient[feature]! += error;
      biasGradient += error;
    }
    for (let feature = 0; feature < featureCount; feature++) {
      const slope = gradient[feature]! / examples.length + L2 * weights[feature]!;
      weights[feature]! -= LEARNING_RATE * slope;
    }
    bias -= (LEARNING_RATE * biasGradient) / examples.length;
  }
  return { weights, bias };
}

function score({ weights, bias }: Model, features: readonly number[]): number {
  return features.reduce((sum, feature) => sum + weights[feature]!, bias);
}

function accuracy(model: Model, examples: readonly Example[]): number {
  const right = examples.filter(
    ({ features, target }) => score(model, features) > 0 === (target === 1),
  ).length;
  return right / examples.length;
}

if (import.meta.main) {
  const { trainAccuracy, testAccuracy } = sampleFilesAccuracy();
  console.log(`bag of words: ${(100 * trainAccuracy).toFixed(1)} % on the training files`);
  console.log(`bag of words: ${(100 * testAccuracy).toFixed(1)} % on test.csv`);
}
