import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyModel, TINY_WORDS } from '@chorale/model/testing/tinyModel';
import type { RunConfigInput } from '@chorale/protocol';
import { RandomStream } from '../randomStream.ts';

/** A config whose rounds take milliseconds: three clients, noise, the random tiny model. */
export function smallConfig(change: Partial<RunConfigInput> = {}) {
  return {
    name: 'small',
    model: 'model',
    task: { type: 'sequence-classification', labels: ['bad', 'good'], maxTokens: 8, pooling: 'mean' },
    adapter: { strategy: 'ffa-lora', rank: 2, alpha: 4, head: 'trained', seed: 1 },
    training: {
      localSteps: 2,
      learningRate: 0.5,
      samplingRate: 0.25,
      expectedBatchSize: 10,
      clippingNorm: 1,
    },
    privacy: { unit: 'example', noiseMultiplier: 1, targetDelta: 1e-3 },
    rounds: { count: 4, cohortSize: 2, minimumUpdates: 2 },
    evaluation: { file: 'test.tsv' },
    ...change,
    simulation: {
      clients: 3,
      train: 'train.tsv',
      split: { kind: 'dirichlet', alpha: 0.5 },
      evaluateEvery: 2,
    } as Record<string, unknown>,
  } satisfies RunConfigInput & { simulation: unknown };
}

/**
 * Writes a config with the model and the rows it names.
 * @returns the path of the config
 */
export function writeSmallSimulation(directory: string, config: object = smallConfig()): string {
  mkdirSync(join(directory, 'model'), { recursive: true });
  for (const [name, bytes] of tinyModel()) writeFileSync(join(directory, 'model', name), bytes);
  writeFileSync(join(directory, 'train.tsv'), rows(120, 1));
  writeFileSync(join(directory, 'test.tsv'), rows(40, 2));
  const path = join(directory, 'run.json');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** Sentences of the tiny model's words; good ones say "good" or "warm". */
function rows(count: number, seed: number): string {
  const random = new RandomStream(seed, 'rows');
  const neutral = TINY_WORDS.filter((word) => !['good', 'bad', 'warm', 'dull'].includes(word));
  const lines = Array.from({ length: count }, (_, i) => {
    const label = i % 2;
    const telling = (label === 1 ? ['good', 'warm'] : ['bad', 'dull'])[random.below(2)]!;
    const words = Array.from({ length: 1 + random.below(4) }, () => neutral[random.below(neutral.length)]!);
    return `${random.shuffled([telling, ...words]).join(' ')}\t${label === 1 ? 'good' : 'bad'}`;
  });
  return `sentence\tlabel\n${lines.join('\n')}\n`;
}
