import { describe, expect, test } from 'vitest';
import { ChoraleError } from './errors.ts';
import { parseRunConfig } from './runConfig.ts';

/** The example of design.md, section 4. */
function example(): Record<string, unknown> {
  return {
    name: 'sentiment',
    model: 'tiny-encoder',
    task: {
      type: 'sequence-classification',
      labels: ['negative', 'positive'],
      maxTokens: 64,
      pooling: 'mean',
    },
    adapter: {
      strategy: 'ffa-lora',
      rank: 8,
      alpha: 8,
      targetModules: ['query', 'value'],
      basis: 'orthonormal',
      head: 'frozen',
      seed: 1,
    },
    training: {
      localSteps: 10,
      learningRate: 0.5,
      samplingRate: 0.05,
      expectedBatchSize: 32,
      clippingNorm: 2,
    },
    privacy: { unit: 'example', targetEpsilon: 6, targetDelta: 1e-5 },
    rounds: { count: 30, cohortSize: 3, minimumUpdates: 2, deadlineSeconds: 120 },
    aggregation: { rule: 'mean', serverOptimizer: { name: 'sgd', learningRate: 1 } },
    transport: { encoding: 'int8' },
    evaluation: { file: 'dev.tsv' },
  };
}

/** The example with one field, named by its path, set to a value (or taken away by undefined). */
function exampleWith(path: string, value: unknown): Record<string, unknown> {
  const config = example();
  const keys = path.split('.');
  const last = keys.pop()!;
  let inner = config;
  for (const key of keys) inner = inner[key] as Record<string, unknown>;
  if (value === undefined) delete inner[last];
  else inner[last] = value;
  return config;
}

function refusal(config: unknown): ChoraleError {
  try {
    parseRunConfig(config, 'run.json');
  } catch (error) {
    if (error instanceof ChoraleError) return error;
    throw error;
  }
  throw new Error('the config was accepted');
}

test('the example of the design is a config, and nothing in it is changed', () => {
  const parsed = parseRunConfig(example());
  expect(parsed).toEqual({
    ...example(),
    purpose: '',
    operator: '',
    task: { ...(example().task as object), textPair: false },
    training: { ...(example().training as object), clipping: 'flat' },
    privacy: { ...(example().privacy as object), noise: 'rounded-gaussian' },
    rounds: { ...(example().rounds as object), overSelection: 0 },
    aggregation: { ...(example().aggregation as object), normWindow: 'noise-law' },
    access: 'open',
  });
});

test('defaults fill a small config', () => {
  const parsed = parseRunConfig({
    name: 'small',
    task: { type: 'sequence-classification', labels: ['a', 'b'] },
    training: { learningRate: 0.1, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
    privacy: { unit: 'none' },
    rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 },
  });
  expect(parsed).toMatchObject({
    model: 'tiny-encoder',
    task: { maxTokens: 64, pooling: 'mean', textPair: false },
    adapter: {
      strategy: 'ffa-lora',
      rank: 8,
      alpha: 8,
      targetModules: ['query', 'value'],
      head: 'trained',
      seed: 1,
    },
    training: { localSteps: 10 },
    rounds: { deadlineSeconds: 120, overSelection: 0 },
    aggregation: {
      rule: 'mean',
      normWindow: 'noise-law',
      serverOptimizer: { name: 'sgd', learningRate: 1 },
    },
    transport: { encoding: 'f32' },
    access: 'open',
  });
  expect(parsed.aggregation.trimFraction).toBeUndefined();
  expect(parsed.evaluation).toBeUndefined();
});

test('numbers at their bounds are accepted', () => {
  for (const [path, value] of [
    ['training.clippingNorm', 1e-6],
    ['training.clippingNorm', 1e6],
    ['training.learningRate', 1e6],
    ['training.expectedBatchSize', 1e9],
  ] as const) {
    const [section, field] = path.split('.') as ['training', 'clippingNorm'];
    expect(parseRunConfig(exampleWith(path, value))[section][field]).toBe(value);
  }
});

test('a parsed config is frozen at every depth, and parses to itself', () => {
  const parsed = parseRunConfig(example());
  expect(Object.isFrozen(parsed)).toBe(true);
  expect(Object.isFrozen(parsed.task.labels)).toBe(true);
  expect(Object.isFrozen(parsed.aggregation.serverOptimizer)).toBe(true);
  expect(parseRunConfig(parsed)).toEqual(parsed);
});

describe('refusals name the file and the path', () => {
  test.each([
    ['extra', 1, '(top level)', 'extra'],
    ['training.momentum', 0.9, 'training', 'momentum'],
    ['adapter.dropout', 0.1, 'adapter', 'dropout'],
    ['privacy.epsilon', 3, 'privacy', 'epsilon'],
    ['aggregation.serverOptimizer.beta', 0.9, 'aggregation.serverOptimizer', 'beta'],
    ['transport.bits', 8, 'transport', 'bits'],
  ])('unknown key %s', (path, value, at, key) => {
    const error = refusal(exampleWith(path, value));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain('run.json');
    expect(error.message).toContain(`${at}: `);
    expect(error.message).toContain(`"${key}"`);
  });

  test('an own __proto__ key is an unknown key and reaches no prototype', () => {
    const config: unknown = JSON.parse(
      JSON.stringify(example()).replace('{', '{"__proto__":{"polluted":true},'),
    );
    expect(Object.hasOwn(config as object, '__proto__')).toBe(true);
    expect(refusal(config).message).toContain('__proto__');
    expect('polluted' in {}).toBe(false);
  });

  test.each([
    ['name', '  '],
    ['name', undefined],
    ['task.type', 'causal-lm'],
    ['task.labels', ['only']],
    ['task.labels.0', ''],
    ['task.maxTokens', 4],
    ['adapter.rank', 0],
    ['adapter.rank', 1.5],
    ['adapter.targetModules', []],
    ['adapter.targetModules.0', 'pooler'],
    ['adapter.seed', 2 ** 32],
    ['training.samplingRate', 0],
    ['training.samplingRate', 1.1],
    ['training.clippingNorm', 0],
    ['training.clippingNorm', 9e-7],
    ['training.clippingNorm', 1.1e6],
    ['training.learningRate', 0],
    ['training.learningRate', 1.1e6],
    ['training.learningRate', '0.5'],
    ['training.expectedBatchSize', -1],
    ['training.expectedBatchSize', 1.1e9],
    ['training.localSteps', 0],
    ['privacy.unit', 'person'],
    ['privacy.noise', 'laplace'],
    ['training.clipping', 'adaptive'],
    ['localMetrics', 20],
    ['privacy.targetDelta', 0],
    ['privacy.targetDelta', 0.011],
    ['privacy.targetDelta', undefined],
    ['privacy.targetEpsilon', 0],
    ['rounds.minimumUpdates', 4],
    ['rounds.deadlineSeconds', 0],
    ['aggregation.rule', 'krum'],
    ['rounds.overSelection', -0.1],
    ['rounds.overSelection', 1.1],
    ['aggregation.normWindow', 'on'],
    ['aggregation.trimFraction', 0.1],
    ['aggregation.serverOptimizer.name', 'adamw'],
    ['aggregation.serverOptimizer.learningRate', 0],
    ['transport.encoding', 'int4'],
    ['access', 'closed'],
    ['evaluation.file', ''],
  ])('%s: %o', (path, value) => {
    const error = refusal(exampleWith(path, value));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(`${path}: `);
  });

  test.each([null, 7, 'text', []])('%o is no config', (value) => {
    expect(refusal(value).message).toContain('(top level)');
  });
});

describe('how updates become one', () => {
  const withAggregation = (aggregation: unknown) => ({ ...example(), aggregation });

  test.each([
    [{ name: 'sgd' }, { name: 'sgd', learningRate: 1 }],
    [{ name: 'momentum' }, { name: 'momentum', learningRate: 1, momentum: 0.9 }],
    [
      { name: 'momentum', learningRate: 0.5, momentum: 0 },
      { name: 'momentum', learningRate: 0.5, momentum: 0 },
    ],
    [{ name: 'adam' }, { name: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.99, tau: 1e-3 }],
    [undefined, { name: 'sgd', learningRate: 1 }],
  ])('server optimizer %o', (serverOptimizer, expected) => {
    expect(parseRunConfig(withAggregation({ serverOptimizer })).aggregation.serverOptimizer).toEqual(
      expected,
    );
  });

  test.each([
    { name: 'sgd', momentum: 0.9 },
    { name: 'momentum', momentum: 1 },
    { name: 'momentum', beta1: 0.9 },
    { name: 'adam', beta1: 1 },
    { name: 'adam', beta2: -0.1 },
    { name: 'adam', tau: 0 },
    { learningRate: 1 },
  ])('%o is no server optimizer', (serverOptimizer) => {
    expect(refusal(withAggregation({ serverOptimizer })).message).toContain('aggregation.serverOptimizer');
  });

  test('a trim fraction goes with the trimmed mean only, and leaves something over', () => {
    const trimmed = (trimFraction?: number) =>
      withAggregation({ rule: 'trimmed-mean', ...(trimFraction === undefined ? {} : { trimFraction }) });
    expect(parseRunConfig(trimmed()).aggregation.rule).toBe('trimmed-mean');
    expect(parseRunConfig(trimmed(0.25)).aggregation.trimFraction).toBe(0.25);
    for (const fraction of [0, 0.5, -0.1]) {
      expect(refusal(trimmed(fraction)).message).toContain('aggregation.trimFraction: ');
    }
    expect(refusal(withAggregation({ trimFraction: 0.25 })).message).toMatch(
      /aggregation\.trimFraction: .*'trimmed-mean'/,
    );
  });

  test('the norm window can be switched off', () => {
    expect(parseRunConfig(withAggregation({ normWindow: 'off' })).aggregation.normWindow).toBe('off');
  });
});

test.each([
  ['transport.encoding', 'f32'],
  ['transport.encoding', 'f16'],
  ['transport.encoding', 'int8'],
  ['access', 'open'],
  ['access', 'invite'],
  ['rounds.overSelection', 0],
  ['rounds.overSelection', 0.3],
  ['rounds.overSelection', 1],
])('%s: %o is a choice', (path, value) => {
  const config = parseRunConfig(exampleWith(path, value)) as unknown as Record<string, unknown>;
  expect(path.split('.').reduce<unknown>((inner, key) => (inner as typeof config)[key], config)).toBe(value);
});

describe('privacy gives either a target or the noise', () => {
  test.each([
    { unit: 'example', targetEpsilon: 6, targetDelta: 1e-5, noise: 'rounded-gaussian' },
    { unit: 'example', noiseMultiplier: 1.1, targetDelta: 1e-5, noise: 'discrete-gaussian' },
    { unit: 'contributor', targetEpsilon: 8, targetDelta: 1e-5, noise: 'rounded-gaussian' },
    { unit: 'none' },
  ])('%o is accepted', (privacy) => {
    expect(parseRunConfig({ ...example(), privacy }).privacy).toEqual(privacy);
  });

  test('noise is rounded Gaussian and clipping flat where nothing is said', () => {
    const { privacy, training } = parseRunConfig(example());
    expect([privacy, training]).toMatchObject([{ noise: 'rounded-gaussian' }, { clipping: 'flat' }]);
  });

  test('local metrics are off, and possible with unit example only', () => {
    expect(parseRunConfig(example()).localMetrics).toBeUndefined();
    const localMetrics = { noiseMultiplier: 20 };
    expect(parseRunConfig({ ...example(), localMetrics }).localMetrics).toEqual(localMetrics);
    for (const noiseMultiplier of [0, -1, undefined]) {
      expect(refusal({ ...example(), localMetrics: { noiseMultiplier } }).code).toBe('CONFIG_INVALID');
    }
    for (const privacy of [
      { unit: 'none' },
      { unit: 'contributor', noiseMultiplier: 1, targetDelta: 1e-5 },
    ]) {
      expect(refusal({ ...example(), localMetrics, privacy }).message).toMatch(
        /localMetrics: .*unit 'example'/,
      );
    }
  });

  test.each([
    { unit: 'example', targetDelta: 1e-5 },
    { unit: 'example', targetEpsilon: 6, noiseMultiplier: 1.1, targetDelta: 1e-5 },
  ])('%o is refused', (privacy) => {
    expect(refusal({ ...example(), privacy }).message).toMatch(
      /privacy: .*either targetEpsilon or noiseMultiplier/,
    );
  });

  test.each([
    { unit: 'none', targetEpsilon: 6 },
    { unit: 'none', targetDelta: 1e-5 },
    { unit: 'none', noiseMultiplier: 1 },
    { targetEpsilon: 6, targetDelta: 1e-5 },
    {},
  ])('%o is refused', (privacy) => {
    expect(refusal({ ...example(), privacy }).message).toContain('privacy');
  });
});
