import { openCompute } from '@chorale/compute';
import type { StrategyName } from '@chorale/lora';
import { aggregationError } from '@chorale/lora';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { noiseSource } from '@chorale/privacy';
import { seededNoiseSource } from '@chorale/privacy/simulation';
import type { Binding, RunConfig, RunConfigInput } from '@chorale/protocol';
import { encodeUpdate, trainedRangeOf } from '@chorale/protocol';
import { randomValues } from '@chorale/testing/randomValues';
import { seededRandom } from '@chorale/testing/seededRandom';
import { relativeDifference } from '@chorale/testing/tolerance';
import { describe, expect, test } from 'vitest';
import { describeAdapter, openAdapter } from './adapterFacts.ts';
import { computeClientUpdate } from './clientUpdate.ts';
import { privacyPlanOf } from './privacyPlan.ts';
import type { Example } from './sequenceClassifier.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { randomExamples } from './testing/randomTraining.ts';
import { tinyRun } from './testing/tinyRun.ts';
import { norm } from './testing/tinyTraining.ts';

const TRAINING: RunConfigInput['training'] = {
  localSteps: 5,
  learningRate: 0.5,
  samplingRate: 0.5,
  expectedBatchSize: 8,
  clippingNorm: 0.4,
};

function runOf(
  adapter: Partial<NonNullable<RunConfigInput['adapter']>>,
  change: Partial<RunConfigInput> = {},
): RunConfig {
  return tinyRun({
    task: { type: 'sequence-classification', labels: ['bad', 'good'], maxTokens: 16 },
    adapter: { rank: 2, alpha: 4, targetModules: ['query', 'value'], seed: 1, ...adapter },
    training: TRAINING,
    ...change,
  });
}

const examples = randomExamples(24, 5, { maxTokens: 16, classCount: 2 });

/** All A B times alpha / rank after one noised round, with coins and noise that do not depend on the config. */
async function productsAfterRound(config: RunConfig, scaleOfB: number): Promise<Float64Array> {
  const compute = await openCompute('cpu');
  const classifier = new SequenceClassifier(compute, tinyModel(), config);
  const { layout } = classifier;
  const { initialParameters } = await describeAdapter(tinyModel(), config);
  const parameters = initialParameters.slice();
  // A later round: B is away from zero
  randomValues(layout.head.offset, 3, 0.5).forEach((value, i) => (parameters[i] = value * scaleOfB));
  const range = layout.trainedRanges[0]!;
  const { values } = await computeClientUpdate(parameters, {
    compute,
    classifier,
    examples,
    plan: privacyPlanOf({ config, noiseMultiplier: 1 }),
    range,
    random: seededRandom(1),
    noise: seededNoiseSource('rounded-gaussian', seededRandom(2)),
  });
  values.forEach((value, i) => (parameters[range.start + i]! += value));
  classifier.dispose();
  const { basis } = openAdapter(tinyModel(), config);
  return productsOf(layout, parameters, basis);
}

function productsOf(
  { modules, rank, scaling }: SequenceClassifier['layout'],
  parameters: Float32Array,
  basis: readonly Float32Array[],
): Float64Array {
  return Float64Array.from(
    modules.flatMap(({ inDim, outDim, offset, aOffset }, m) => {
      const a = aOffset === null ? basis[m]! : parameters.subarray(aOffset);
      return Array.from({ length: inDim * outDim }, (_, at) => {
        const [i, o] = [Math.floor(at / outDim), at % outDim];
        let sum = 0;
        for (let r = 0; r < rank; r++) sum += a[i * rank + r]! * parameters[offset + r * outDim + o]!;
        return scaling * sum;
      });
    }),
  );
}

describe('alpha is no parameter of its own: (alpha, learningRate, C) and (c alpha, learningRate/c², c C) are one', () => {
  const scaled = (strategy: StrategyName, c: number) => {
    const { learningRate, clippingNorm } = TRAINING;
    const training = { ...TRAINING, learningRate: learningRate / c ** 2, clippingNorm: clippingNorm * c };
    return productsAfterRound(runOf({ strategy, head: 'frozen', alpha: 4 * c }, { training }), 1 / c);
  };

  // Powers of two scale without rounding; with 3 a truncation may fall another way
  test.each([
    [2, 0],
    [8, 0],
    [0.25, 0],
    [3, 1e-4],
  ])('ffa-lora, c = %s: after five noised steps BA differs by at most %s', async (c, tolerance) => {
    const [first, second] = [await scaled('ffa-lora', 1), await scaled('ffa-lora', c)];
    expect(relativeDifference(second, first)).toBeLessThanOrEqual(tolerance);
  });

  test('lora has no such law', async () => {
    const [first, second] = [await scaled('lora', 1), await scaled('lora', 2)];
    expect(relativeDifference(second, first)).toBeGreaterThan(0.01);
  });
});

/** Of every update: see packages/protocol/src/codec/header.ts. */
const HEADER_BYTES = 88;

/** Three clients, each with nearly one label only; all rounds with all of them. */
async function rounds(
  config: RunConfig,
  count: number,
): Promise<{ errors: number[]; updates: Float32Array[]; uplinkBytes: number[] }> {
  const compute = await openCompute('wasm');
  const classifier = new SequenceClassifier(compute, tinyModel(), config);
  const { layout } = classifier;
  const { basis } = openAdapter(tinyModel(), config);
  const { initialParameters, ...facts } = await describeAdapter(tinyModel(), config);
  let parameters = Float64Array.from(initialParameters);
  const hash = 'ab'.repeat(32);
  const binding: Binding = { ...facts, planHash: hash, basisHash: hash, encoding: 'f32' };
  const shards = [0, 1, 2].map((client): Example[] =>
    examples.map((example, i) => ({ ...example, label: i % 12 === 0 ? (client + 1) % 2 : client % 2 })),
  );
  const plan = privacyPlanOf({ config, noiseMultiplier: config.privacy.unit === 'none' ? 0 : 1 });
  const seen = { errors: [] as number[], updates: [] as Float32Array[], uplinkBytes: [] as number[] };
  for (let round = 1; round <= count; round++) {
    const range = trainedRangeOf(binding, round);
    const updates: Float32Array[] = [];
    for (const [client, shard] of shards.entries()) {
      const update = await computeClientUpdate(Float32Array.from(parameters), {
        compute,
        classifier,
        examples: shard.slice(8 * client, 8 * client + 16),
        plan,
        range,
        random: seededRandom(10 * round + client),
        noise: noiseSource(plan.noise),
      });
      seen.uplinkBytes.push(encodeUpdate(update, round, binding).length - HEADER_BYTES);
      updates.push(update.values);
    }
    seen.errors.push(aggregationError(layout, parameters, updates, range, basis));
    seen.updates.push(updates[0]!);
    const next = parameters.slice();
    for (const update of updates) {
      update.forEach((value, i) => (next[range.start + i]! += value / updates.length));
    }
    parameters = next;
  }
  classifier.dispose();
  return seen;
}

const PRIVACIES: RunConfigInput['privacy'][] = [
  { unit: 'none' },
  { unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 },
];
describe.each(PRIVACIES)('with privacy $unit, on clients of different labels', (privacy) => {
  test.each([
    ['ffa-lora', 0, 1e-6],
    ['rolora', 0, 1e-6],
    ['lora', 0.01, 1],
  ] as const)('the aggregation error of %s is over %s and under %s', async (strategy, over, under) => {
    const { errors } = await rounds(runOf({ strategy }, { privacy }), 6);
    console.info(
      `${strategy}: aggregation error ${errors.map((error) => error.toExponential(1)).join(', ')}`,
    );
    expect(Math.max(...errors)).toBeLessThan(under);
    expect(Math.max(...errors)).toBeGreaterThanOrEqual(over);
    expect(errors).toHaveLength(6);
  });
});

describe('what leaves a tab', () => {
  test('of square modules ffa-lora sends half of the bytes that lora does, and so does every round of rolora', async () => {
    const bytesOf = async (strategy: StrategyName) => {
      const { uplinkBytes } = await rounds(runOf({ strategy, head: 'frozen' }), 2);
      expect(uplinkBytes).toHaveLength(6);
      return uplinkBytes;
    };
    const whole = 4 * (2 * 2 * 2 * 8 * 2); // two layers, two modules, two factors of 2 times 8
    expect(new Set(await bytesOf('lora'))).toEqual(new Set([whole]));
    expect(new Set(await bytesOf('ffa-lora'))).toEqual(new Set([whole / 2]));
    expect(new Set(await bytesOf('rolora'))).toEqual(new Set([whole / 2]));
  });
});

test("rolora's first round trains B; A, whose gradient is zero while B is, comes second", async () => {
  const compute = await openCompute('cpu');
  const config = runOf({ strategy: 'rolora', head: 'frozen' }, { privacy: { unit: 'none' } });
  const classifier = new SequenceClassifier(compute, tinyModel(), config);
  const { initialParameters } = await describeAdapter(tinyModel(), config);
  const [ofB, ofA] = await Promise.all(
    classifier.layout.trainedRanges.map(async (range) => {
      const { gradients, losses } = classifier.exampleGradients(initialParameters, examples, 24, range);
      const size = norm(await compute.ops.read(gradients));
      compute.ops.dispose([gradients, losses]);
      return size;
    }),
  );
  expect(ofB).toBeGreaterThan(0.01);
  expect(ofA).toBe(0);
  classifier.dispose();
  const { updates } = await rounds(config, 2);
  expect(updates.map((update) => update.length)).toEqual([64, 64]);
  for (const update of updates) expect(norm(update)).toBeGreaterThan(1e-5);
});
