import type { BackendName } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { mechanismOf } from '@chorale/privacy';
import { seededNoiseSource } from '@chorale/privacy/simulation';
import { forbiddenNoise } from '@chorale/privacy/testing/plans';
import { scriptedNoise } from '@chorale/privacy/testing/scriptedNoise';
import { expectClose } from '@chorale/testing/tolerance';
import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test, vi } from 'vitest';
import { computeClientUpdate, sumGradients } from './clientUpdate.ts';
import type { ClientUpdateOptions } from './clientUpdate.ts';
import type { Example } from './sequenceClassifier.ts';
import { TURNS, gridSums, planOf, randomExamples, randomModel } from './testing/randomTraining.ts';
import { everyone, nobody, norm, POISONED_WORD, silence, tinyTraining } from './testing/tinyTraining.ts';

const backends: BackendName[] = ['cpu', 'wasm'];

/** What one step of these options adds up: grid units under unit `example`. */
function sumOf(parameters: Float32Array, batch: readonly Example[], options: ClientUpdateOptions) {
  return sumGradients(parameters, batch, mechanismOf(options.plan), options);
}

/** The same in the unit of the gradient. */
async function lengthSumOf(
  parameters: Float32Array,
  batch: readonly Example[],
  options: ClientUpdateOptions,
) {
  const { gridStep } = mechanismOf(options.plan);
  return (await sumOf(parameters, batch, options)).map((units) => units * gridStep);
}

describe.each(backends)('on %s', (backend) => {
  test('each example contributes at most clippingNorm, and its own gradient where that is smaller', async () => {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute);
    const contribution = (n: number, clippingNorm: number) =>
      lengthSumOf(parameters, [options.examples[n]!], {
        ...options,
        microBatchSize: 2,
        plan: { ...options.plan, clippingNorm },
      });
    for (const n of options.examples.keys()) {
      const whole = await contribution(n, 10);
      const size = norm(whole);
      expect(size).toBeGreaterThan(0.05);
      for (const clippingNorm of [size / 100, size / 2]) {
        const clipped = await contribution(n, clippingNorm);
        expect(norm(clipped)).toBeLessThanOrEqual(clippingNorm);
        expect(norm(clipped)).toBeGreaterThan(0.999 * clippingNorm);
        expectClose(
          clipped.map((value) => (value * size) / norm(clipped)),
          whole,
          // Truncation takes up to one unit of clippingNorm/32768 per coordinate, and of the whole's 10/32768
          2e-3,
          'direction',
        );
      }
      expectClose(await contribution(n, 2 * size), whole, 2e-3, 'unclipped');
    }
    classifier.dispose();
  });

  test('an example whose gradient is not finite is dropped, and the others keep theirs', async () => {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { poisoned: true });
    const poisonedId = classifier.encode(POISONED_WORD, null).sequence.ids[1]!;
    const bad = options.examples.filter(({ sequence }) => sequence.ids.includes(poisonedId));
    const good = options.examples.filter(({ sequence }) => !sequence.ids.includes(poisonedId));
    expect([bad.length, good.length]).toEqual([1, 5]);
    const { gradients, losses } = classifier.exampleGradients(parameters, bad, 1, options.range);
    expect((await compute.ops.read(gradients)).every(Number.isNaN)).toBe(true);
    compute.ops.dispose([gradients, losses]);

    expect(norm(await sumOf(parameters, bad, options))).toBe(0);
    const clean = await sumOf(parameters, good, options);
    expect(norm(clean)).toBeGreaterThan(0);
    expect(await sumOf(parameters, options.examples, options)).toEqual(clean);
    for (const change of [{ unit: 'none', noiseMultiplier: 0 }, { unit: 'contributor' }] as const) {
      const plain = { ...options, plan: { ...options.plan, ...change } };
      expectClose(
        await sumOf(parameters, options.examples, plain),
        await sumOf(parameters, good, plain),
        1e-6,
      );
    }
    classifier.dispose();
  });

  test('nothing is left on the device', async () => {
    const compute = await openCompute(backend);
    const liveBefore = compute.ops.liveTensors();
    const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 2 });
    await computeClientUpdate(parameters, options);
    classifier.dispose();
    expect(compute.ops.liveTensors()).toBe(liveBefore);
  });
});

test('a step without noise is -learningRate * sum / expectedBatchSize', async () => {
  const compute = await openCompute('cpu');
  const plan = { localSteps: 1, learningRate: 0.25, expectedBatchSize: 8, clippingNorm: 0.5 };
  const { options, parameters, classifier } = tinyTraining(compute, plan);
  const start = parameters.slice();
  const { values, event } = await computeClientUpdate(parameters, options);
  const sum = await lengthSumOf(parameters, options.examples, options);
  expectClose(
    values,
    sum.map((value) => (-0.25 * value) / 8),
    1e-6,
  );
  expect(parameters).toEqual(start);
  expect(event).toMatchObject({ type: 'self-composed' });
  classifier.dispose();
});

test('later steps start from where the earlier ones went', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 3, learningRate: 2 });
  const { values } = await computeClientUpdate(parameters, options);
  const at = parameters.slice();
  for (let step = 0; step < 3; step++) {
    const sum = await lengthSumOf(at, options.examples, options);
    at.forEach((value, i) => (at[i] = value - (2 * sum[i]!) / options.plan.expectedBatchSize));
  }
  expectClose(
    values,
    at.map((value, i) => value - parameters[i]!),
    1e-5,
  );
  classifier.dispose();
});

test.each(TURNS)('%s, turn %s: steps move the parameters of their range and no others', async (...turn) => {
  const compute = await openCompute('cpu');
  const { classifier, parameters, range } = randomModel(compute, 1, turn);
  const plan = planOf({ localSteps: 3, learningRate: 2, expectedBatchSize: 4, clippingNorm: 0.5 });
  const options = { compute, classifier, plan, range, examples: randomExamples(6, 3) };
  const start = parameters.slice();
  const { values } = await computeClientUpdate(parameters, { ...options, random: everyone, noise: silence });
  expect(parameters).toEqual(start);
  const { gridStep } = mechanismOf(plan);
  const at = parameters.slice();
  for (let step = 0; step < 3; step++) {
    const sum = await sumGradients(at, options.examples, mechanismOf(plan), options);
    sum.forEach((units, i) => (at[range.start + i]! -= (2 * units * gridStep) / 4));
  }
  const expected = at.map((value, i) => value - start[i]!).slice(range.start, range.end);
  expect(norm(expected)).toBeGreaterThan(0.1);
  expectClose(values, expected, 1e-4);
  classifier.dispose();
});

test('without privacy nothing is clipped and no noise asked for', async () => {
  const compute = await openCompute('cpu');
  const plan = { unit: 'none', noiseMultiplier: 0, clippingNorm: 1e-3 } as const;
  const { options, parameters, classifier } = tinyTraining(compute, plan);
  const { values, event } = await computeClientUpdate(parameters, { ...options, noise: forbiddenNoise });
  expect(norm(values)).toBeGreaterThan((6 * 1e-3 * 0.5) / 4);
  expect(event).toEqual({ type: 'non-private' });
  classifier.dispose();
});

test('an empty sample is a step of pure noise, and steps are never skipped', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 3, clippingNorm: 0.5 });
  const asked: { stdDev: number; before: number }[] = [];
  const noise = scriptedNoise((values, stdDev) => {
    asked.push({ stdDev, before: Math.max(...values.map(Math.abs)) });
    values.forEach((value, i) => (values[i] = value + ((i % 3) - 1) * 65_536));
  });
  const steps: number[] = [];
  const { values } = await computeClientUpdate(parameters, {
    ...options,
    random: nobody,
    noise,
    onStep: (step) => steps.push(step),
  });
  expect(asked).toEqual(Array.from({ length: 3 }, () => ({ stdDev: 32_768, before: 0 })));
  expect(steps).toEqual([1, 2, 3]);
  // Three steps of learning rate 0.5 on noise -1, 0, 1 (65,536 units of 0.5/32,768) over the expected batch of 4
  expectClose(
    values,
    values.map((_, i) => (-3 * 0.5 * ((i % 3) - 1)) / 4),
    1e-6,
  );
  classifier.dispose();
});

test('the sample decides who takes part', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, { samplingRate: 0.5 });
  // One block of coins, 8 bytes each: heads for examples 1 and 4 only
  const coins = {
    fill(bytes: Uint8Array) {
      bytes.fill(0xff);
      for (const joined of [1, 4]) bytes.fill(0x11, 8 * joined, 8 * (joined + 1));
    },
  };
  const { values } = await computeClientUpdate(parameters, { ...options, random: coins });
  const drawn = [options.examples[1]!, options.examples[4]!];
  const sum = await lengthSumOf(parameters, drawn, options);
  expectClose(
    values,
    sum.map((value) => (-0.5 * value) / 4),
    1e-5,
  );
  classifier.dispose();
});

test('a failing device loses the round', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 2 });
  let step = 0;
  const guard: typeof compute.guard = (body) => {
    step += 1;
    if (step === 2) return Promise.reject(new Error('the device failed'));
    return compute.guard(body);
  };
  await expect(
    computeClientUpdate(parameters, { ...options, compute: { ...compute, guard } }),
  ).rejects.toThrow('the device failed');
  expect(step).toBe(2);
  classifier.dispose();
});

test('a step that fails half-way leaves nothing on the device', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute);
  const liveBefore = compute.ops.liveTensors();
  const failing = () => {
    throw new Error('the device failed');
  };
  const original = { ...compute.ops };
  for (const broken of ['squaredNorms', 'truncatedSum', 'read'] as const) {
    compute.ops[broken] = failing;
    await expect(computeClientUpdate(parameters, options)).rejects.toThrow('the device failed');
    Object.assign(compute.ops, original);
    expect(compute.ops.liveTensors()).toBe(liveBefore);
  }
  classifier.dispose();
});

test('a range that the strategy does not train is refused before the first coin, also for an empty sample', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute);
  const fill = vi.fn<typeof nobody.fill>((bytes) => nobody.fill(bytes));
  const range = { start: 0, end: options.range.end - 1 };
  await expect(computeClientUpdate(parameters, { ...options, range, random: { fill } })).rejects.toThrow(
    /no range that ffa-lora trains/,
  );
  expect(fill).not.toHaveBeenCalled();
  classifier.dispose();
});

test('the same seeds give the same round on cpu and wasm', async () => {
  const updates: Float32Array[] = [];
  for (const backend of backends) {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 3 });
    const noise = seededNoiseSource('rounded-gaussian', seededRandom(2));
    const { values } = await computeClientUpdate(parameters, { ...options, random: seededRandom(1), noise });
    updates.push(values);
    classifier.dispose();
  }
  // Where the two round differently, a truncation may fall one unit of 1/32,768 apart: 0.5/4 of it, in each step
  expectClose(updates[1]!, updates[0]!, 1e-4);
});

test('the stand-ins do what they say', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute);
  const update = async (change: Partial<typeof options>) =>
    norm((await computeClientUpdate(parameters, { ...options, ...change })).values);
  expect(await update({ random: everyone, noise: silence })).toBeGreaterThan(0);
  expect(await update({ random: nobody, noise: silence })).toBe(0);
  classifier.dispose();
});

test.each([0, 513, 1.5, Number.NaN])('a micro-batch of %s is refused', async (microBatchSize) => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute);
  await expect(computeClientUpdate(parameters, { ...options, microBatchSize })).rejects.toThrow(
    /from 1 to 512/,
  );
  classifier.dispose();
});

test('noise of another kind than the plan names is refused before anything is computed', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, { noise: 'discrete-gaussian' });
  const computed = vi.spyOn(classifier, 'exampleGradients');
  await expect(computeClientUpdate(parameters, options)).rejects.toThrow(/discrete-gaussian/);
  expect(computed).not.toHaveBeenCalled();
  classifier.dispose();
});

describe('unit contributor', () => {
  test('the clipped change of plain SGD steps', async () => {
    const compute = await openCompute('cpu');
    const plan = { unit: 'contributor', localSteps: 3, learningRate: 2 } as const;
    const run = async (clippingNorm: number) => {
      const { options, parameters, classifier } = tinyTraining(compute, { ...plan, clippingNorm });
      const { values, event } = await computeClientUpdate(parameters, options);
      expect(event).toMatchObject({ type: 'gaussian', privacyUnit: 'contributor' });
      const at = parameters.slice();
      for (let step = 0; step < 3; step++) {
        const sum = await sumOf(at, options.examples, options);
        at.forEach((value, i) => (at[i] = value - (2 * sum[i]!) / options.plan.expectedBatchSize));
      }
      classifier.dispose();
      return { values, whole: at.map((value, i) => value - parameters[i]!) };
    };
    const loose = await run(50);
    expectClose(loose.values, loose.whole, 2e-3);
    const tight = await run(norm(loose.whole) / 3);
    expect(norm(tight.values)).toBeLessThanOrEqual(norm(loose.whole) / 3);
    expectClose(
      tight.values.map((value) => 3 * value),
      loose.whole,
      1e-3,
    );
  });

  test('one poisoned row is left out', async () => {
    const compute = await openCompute('cpu');
    const { options, parameters, classifier } = tinyTraining(compute, {
      unit: 'contributor',
      poisoned: true,
    });
    const { values } = await computeClientUpdate(parameters, options);
    expect(norm(values)).toBeGreaterThan(0.01);
    classifier.dispose();
  });

  // 1e37: the parameters stay finite, but all later gradients are not; 1e40: the first step overflows float32
  test.each([
    [1e37, 0.999],
    [1e40, 0],
  ])('a learning rate of %s does not fail the round', async (learningRate, least) => {
    const compute = await openCompute('cpu');
    const change = { unit: 'contributor', localSteps: 3, learningRate } as const;
    const { options, parameters, classifier } = tinyTraining(compute, change);
    const { values } = await computeClientUpdate(parameters, options);
    expect(norm(values)).toBeGreaterThanOrEqual(least);
    expect(norm(values)).toBeLessThanOrEqual(Math.ceil(least));
    classifier.dispose();
  });
});

test('every device step has the same number of rows, and examples of one padded length only', async () => {
  const compute = await openCompute('cpu');
  const model = randomModel(compute, 1);
  const examples = randomExamples(30, 2);
  const steps = vi.spyOn(model.classifier, 'exampleGradients');
  await gridSums(compute, model, {})(examples, 4);
  const lengths = steps.mock.calls.map(([, part]) =>
    part.map(({ sequence }) => (sequence.ids.length <= 16 ? 16 : 24)),
  );
  expect(lengths.flat()).toHaveLength(30);
  expect(new Set(lengths.flat())).toEqual(new Set([16, 24]));
  for (const part of lengths) expect(new Set(part).size).toBe(1);
  expect(steps.mock.calls.every(([, , rowCount]) => rowCount === 4)).toBe(true);
  model.classifier.dispose();
});

test('a micro-batch of nothing but padding adds nothing', async () => {
  const compute = await openCompute('cpu');
  const { ops } = compute;
  const { options, parameters, classifier } = tinyTraining(compute);
  const { gradients, losses } = classifier.exampleGradients(parameters, [], 4, options.range);
  expect(norm(await ops.read(gradients))).toBeGreaterThan(0);
  const sum = ops.scope(() => ops.truncatedSum(gradients, new Float32Array(4)));
  expect(norm(await ops.read(sum))).toBe(0);
  ops.dispose([gradients, losses, sum]);
  expect(norm(await sumOf(parameters, [], options))).toBe(0);
  classifier.dispose();
});
