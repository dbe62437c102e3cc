import type { BackendName, Compute } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import type { ModelFiles } from '@chorale/model';
import { MODEL_FILE_NAMES } from '@chorale/model';
import type { NoiseSource, PrivacyPlan } from '@chorale/privacy';
import { mechanismOf } from '@chorale/privacy';
import { seededNoiseSource } from '@chorale/privacy/simulation';
import type { RunConfig } from '@chorale/protocol';
import { randomValues } from '@chorale/testing/randomValues';
import { seededRandom } from '@chorale/testing/seededRandom';
import { expectClose } from '@chorale/testing/tolerance';
import { beforeAll, expect, test } from 'vitest';
import { describeAdapter } from './adapterFacts.ts';
import { computeClientUpdate, sumGradients } from './clientUpdate.ts';
import { privacyPlanOf } from './privacyPlan.ts';
import { SequenceClassifier } from './sequenceClassifier.ts';
import { tinyRun } from './testing/tinyRun.ts';
import { norm, POISONED_WORD, silence, tinyTraining } from './testing/tinyTraining.ts';

const BACKENDS = ['wasm', 'webgpu', 'webgl'] as const satisfies BackendName[];

const ROWS: [text: string, label: number][] = [
  ['a gripping and funny story', 1],
  ['the plot is thin, the acting dull', 0],
  ['unbelievably heartwarming', 1],
  ["it's awful, don't watch it", 0],
  ['i laughed and i cried', 1],
  ['two hours i will never get back', 0],
];

const config: RunConfig = tinyRun({
  task: { type: 'sequence-classification', labels: ['negative', 'positive'], maxTokens: 16, pooling: 'mean' },
  adapter: {
    rank: 8,
    alpha: 8,
    targetModules: ['query', 'value'],
    basis: 'orthonormal',
    head: 'trained',
    seed: 1,
  },
  training: { localSteps: 3, learningRate: 0.5, samplingRate: 0.6, expectedBatchSize: 4, clippingNorm: 1 },
});

const files: ModelFiles = new Map();

beforeAll(async () => {
  for (const name of MODEL_FILE_NAMES) {
    const response = await fetch(`/assets/models/tiny-encoder/${name}`);
    expect(response.ok).toBe(true);
    files.set(name, new Uint8Array(await response.arrayBuffer()));
  }
});

async function openChecked(backend: BackendName): Promise<Compute> {
  const compute = await openCompute(backend, { wasmUrls });
  expect(compute.backend).toBe(backend);
  // Of use to webgpu only, but the whole file means nothing on a browser without an adapter
  expect(await navigator.gpu.requestAdapter()).not.toBeNull();
  return compute;
}

/** One round of the embedded tiny encoder with repeatable coins; the change of B and head. */
async function roundOn(
  backend: BackendName,
  noise: NoiseSource,
  change: Partial<PrivacyPlan> = {},
): Promise<{ update: Float32Array; headOffset: number }> {
  const compute = await openChecked(backend);
  const classifier = new SequenceClassifier(compute, files, config);
  const { layout } = classifier;
  const { initialParameters: parameters } = await describeAdapter(files, config);
  // B away from zero, as in a later round, so that its part of the forward pass counts
  randomValues(layout.head.offset, 5, 0.05).forEach((value, i) => (parameters[i] = value));
  const steps: number[] = [];
  const { values } = await computeClientUpdate(parameters, {
    compute,
    classifier,
    examples: ROWS.map(([text, label]) => ({ sequence: classifier.encode(text, null).sequence, label })),
    plan: { ...privacyPlanOf({ config, noiseMultiplier: 1 }), ...change },
    range: layout.trainedRanges[0]!,
    random: seededRandom(1),
    noise,
    // Room for all six; half the default, for the software GPU's sake
    microBatchSize: 8,
    onStep: (step) => steps.push(step),
  });
  expect(steps).toEqual([1, 2, 3]);
  classifier.dispose();
  return { update: values, headOffset: layout.head.offset };
}

test('one round with the same coins and noise gives the same update on every backend', async () => {
  const reference = await roundOn('wasm', seededNoiseSource('rounded-gaussian', seededRandom(2)));
  for (const backend of BACKENDS.slice(1)) {
    const { update } = await roundOn(backend, seededNoiseSource('rounded-gaussian', seededRandom(2)));
    const difference = expectClose(update, reference.update, 1e-4, backend);
    console.info(
      `${backend} against wasm, with noise: largest relative difference ${difference.toExponential(2)}`,
    );
  }
});

// Without the grid too: where two backends round differently, a truncation can fall a whole unit apart
test('without noise and grid B itself agrees, which they could have covered', async () => {
  const plain = { unit: 'none', noiseMultiplier: 0 } as const;
  const { update: reference, headOffset } = await roundOn('wasm', silence, plain);
  expect(norm(reference.subarray(0, headOffset))).toBeGreaterThan(1e-2);
  for (const backend of BACKENDS.slice(1)) {
    const { update } = await roundOn(backend, silence, plain);
    const ofB = expectClose(
      update.subarray(0, headOffset),
      reference.subarray(0, headOffset),
      1e-4,
      `B on ${backend}`,
    );
    const ofHead = expectClose(
      update.subarray(headOffset),
      reference.subarray(headOffset),
      1e-4,
      `head on ${backend}`,
    );
    console.info(
      `${backend} against wasm, without noise: B ${ofB.toExponential(2)}, head ${ofHead.toExponential(2)}`,
    );
  }
});

// A NaN spreads to other examples of its micro-batch on webgpu; found here, see microBatchSum
test.each([...BACKENDS, 'cpu'] as const)(
  'on %s an example whose gradient is not finite is dropped and takes no other with it',
  async (backend) => {
    const compute = await openChecked(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { poisoned: true });
    const poisonedId = classifier.encode(POISONED_WORD, null).sequence.ids[1]!;
    const good = options.examples.filter(({ sequence }) => !sequence.ids.includes(poisonedId));
    expect(good.length).toBe(options.examples.length - 1);
    const sum = (batch: typeof good) =>
      compute.guard(() => sumGradients(parameters, batch, mechanismOf(options.plan), options));
    const clean = await sum(good);
    expect(norm(clean)).toBeGreaterThan(3000);
    expect(await sum([...options.examples])).toEqual(clean);
    classifier.dispose();
  },
);
