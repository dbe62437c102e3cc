import type { Compute } from '@chorale/compute';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import type { RunConfig, RunConfigInput } from '@chorale/protocol';
import { randomValues } from '@chorale/testing/randomValues';
import { describeAdapter, exportPeft } from '../adapterFacts.ts';
import type { ModelFiles } from '@chorale/model';
import { SequenceClassifier } from '../sequenceClassifier.ts';
import { tinyRun } from './tinyRun.ts';

export type ExportCase = {
  architecture: 'bert' | 'roberta' | 'distilbert';
  pooling: 'mean' | 'cls';
  adapter: NonNullable<RunConfigInput['adapter']>;
};

/** One adapter for each architecture, strategy and basis, with ambiguous targets and both kinds of heads among them. */
export const EXPORT_CASES: ExportCase[] = [
  {
    architecture: 'bert',
    pooling: 'cls',
    adapter: {
      strategy: 'ffa-lora',
      basis: 'svd',
      targetModules: ['query', 'output.dense'],
      head: 'trained',
    },
  },
  {
    architecture: 'roberta',
    pooling: 'cls',
    adapter: {
      strategy: 'lora',
      basis: 'kaiming',
      targetModules: ['key', 'intermediate.dense'],
      head: 'trained',
    },
  },
  {
    architecture: 'distilbert',
    pooling: 'cls',
    adapter: {
      strategy: 'rolora',
      basis: 'orthonormal',
      targetModules: ['value', 'attention.output.dense', 'output.dense'],
      head: 'frozen',
    },
  },
  {
    architecture: 'bert',
    pooling: 'mean',
    adapter: { strategy: 'rolora', basis: 'orthonormal', targetModules: ['value'], head: 'trained' },
  },
];

export const EXPORT_TEXTS: [text: string, textPair: string | null][] = [
  ['good film', null],
  ['the story was dull', 'a very warm story'],
];

/** A base model, random parameters of an adapter on it, and the adapter's export. */
export async function exportedCase({ architecture, pooling, adapter }: ExportCase): Promise<{
  base: ModelFiles;
  config: RunConfig;
  parameters: Float32Array;
  files: Map<string, Uint8Array>;
}> {
  const base = tinyModel(3, undefined, { architecture, classCount: 2 });
  const config = tinyRun({
    task: { type: 'sequence-classification', labels: ['bad', 'good'], maxTokens: 16, pooling },
    adapter: { rank: 2, alpha: 3, seed: 4, ...adapter },
  });
  const { parameterCount } = await describeAdapter(base, config);
  const parameters = randomValues(parameterCount, 6, 0.7);
  const files = exportPeft(base, config, parameters, { baseModel: 'tiny', revision: null });
  return { base, config, parameters, files };
}

/** Scores of the texts, two each. */
export async function logitsOf(
  compute: Compute,
  base: ModelFiles,
  config: RunConfig,
  parameters: Float32Array,
): Promise<Float32Array> {
  const classifier = new SequenceClassifier(compute, base, config);
  const sequences = EXPORT_TEXTS.map((texts) => classifier.encode(...texts).sequence);
  const logits = await classifier.logits(parameters, sequences);
  classifier.dispose();
  return logits;
}
