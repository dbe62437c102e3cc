import type { RunConfig, RunConfigInput } from '@chorale/protocol';
import { parseRunConfig } from '@chorale/protocol';

/** A run config for small tests; parts given replace the whole part. */
export function tinyRun(change: Partial<RunConfigInput> = {}): RunConfig {
  return parseRunConfig({
    name: 'test',
    task: { type: 'sequence-classification', labels: ['bad', 'good'], maxTokens: 8, pooling: 'mean' },
    adapter: {
      rank: 2,
      alpha: 4,
      targetModules: ['query', 'value'],
      head: 'trained',
      basis: 'orthonormal',
      seed: 1,
    },
    training: { localSteps: 1, learningRate: 0.5, samplingRate: 0.5, expectedBatchSize: 4, clippingNorm: 1 },
    privacy: { unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 },
    rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 },
    ...change,
  } satisfies RunConfigInput);
}

/** Texts of the tiny model's words, of 3 to 8 tokens. */
export const TINY_TEXTS = [
  'good film',
  'the story was dull',
  'a very warm story',
  'bad',
  'not a good actor',
  'the film was very very bad',
];
