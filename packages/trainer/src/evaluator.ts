import type { Compute } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import type { ModelFiles } from '@chorale/model';
import type { RunConfig } from '@chorale/protocol';
import type { LabelledRow } from './rows/labelledRows.ts';
import type { Example } from './sequenceClassifier.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';

export type Evaluation = { accuracy: number; loss: number };

/** Measures a global adapter on public rows. */
export type Evaluator = {
  /** @param parameters the global adapter, [parameterCount] */
  evaluate(parameters: Float32Array): Promise<Evaluation>;
  dispose(): void;
};

const ROWS_PER_BATCH = 32;

/**
 * Loads a model for evaluation.
 * @param rows public labelled rows; at least one
 * @throws {ModelError} {DeviceError}
 */
export async function createEvaluator({
  files,
  config,
  rows,
  backend,
}: {
  files: ModelFiles;
  config: RunConfig;
  rows: readonly LabelledRow[];
  backend: 'wasm' | 'cpu';
}): Promise<Evaluator> {
  const compute = await openCompute(backend);
  return evaluatorOn(compute, files, config, rows);
}

/** The same on a backend that is open already. */
export function evaluatorOn(
  compute: Compute,
  files: ModelFiles,
  config: RunConfig,
  rows: readonly LabelledRow[],
): Evaluator {
  const classifier = new SequenceClassifier(compute, files, config);
  const classCount = config.task.labels.length;
  const examples = rows
    .map(({ text, textPair, label }): Example => {
      return { sequence: classifier.encode(text, textPair).sequence, label };
    })
    // Similar lengths together: less padding
    .toSorted((a, b) => a.sequence.ids.length - b.sequence.ids.length);
  return {
    async evaluate(parameters) {
      let correct = 0;
      let loss = 0;
      for (let start = 0; start < examples.length; start += ROWS_PER_BATCH) {
        const part = examples.slice(start, start + ROWS_PER_BATCH);
        const sequences = part.map((example) => example.sequence);
        const logits = await compute.guard(() => classifier.logits(parameters, sequences));
        part.forEach(({ label }, i) => {
          const scores = logits.subarray(i * classCount, (i + 1) * classCount);
          if (SequenceClassifier.bestClass(scores) === label) correct += 1;
          loss += crossEntropy(scores, label);
        });
      }
      return { accuracy: correct / examples.length, loss: loss / examples.length };
    },
    dispose: () => classifier.dispose(),
  };
}

function crossEntropy(scores: Float32Array, label: number): number {
  const top = Math.max(...scores);
  const logSum = top + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0));
  return logSum - scores[label]!;
}
