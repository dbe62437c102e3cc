import type { BackendName } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { webCryptoNoise } from '@chorale/privacy';
import { expectClose } from '@chorale/testing/tolerance';
import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test, vi } from 'vitest';
import { computeClientUpdate, sumClippedGradients } from './clientUpdate.ts';
import { everyone, nobody, norm, POISONED_WORD, silence, tinyTraining } from './testing/tinyTraining.ts';

const backends: BackendName[] = ['cpu', 'wasm'];

describe.each(backends)('on %s', (backend) => {
  test('the sum of clipped gradients does not depend on the micro-batch', async () => {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { clippingNorm: 0.5 });
    const sum = (microBatchSize: number) =>
      sumClippedGradients(parameters, options.examples, { ...options, microBatchSize });
    const sixteen = await sum(16);
    expect(norm(sixteen)).toBeGreaterThan(0.1);
    expectClose(await sum(1), sixteen, 1e-5);
    expectClose(await sum(4), sixteen, 1e-5);
    classifier.dispose();
  });

  test('each example contributes at most clippingNorm, and its own gradient where that is smaller', async () => {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute);
    const contribution = (n: number, clippingNorm: number) =>
      sumClippedGradients(parameters, [options.examples[n]!], {
        ...options,
        microBatchSize: 2,
        plan: { ...options.plan, clippingNorm },
      });
    for (const n of options.examples.keys()) {
      const whole = await contribution(n, 1e6);
      const size = norm(whole);
      expect(size).toBeGreaterThan(0.05);
      for (const clippingNorm of [size / 100, size / 2]) {
        const clipped = await contribution(n, clippingNorm);
        expect(norm(clipped)).toBeLessThanOrEqual(clippingNorm);
        expect(norm(clipped)).toBeGreaterThan(0.999 * clippingNorm);
        expectClose(
          clipped.map((value) => (value * size) / norm(clipped)),
          whole,
          1e-5,
          'direction',
        );
      }
      expectClose(await contribution(n, 2 * size), whole, 1e-6, 'unclipped');
    }
    classifier.dispose();
  });

  test('one example more changes the sum by at most clippingNorm', async () => {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { clippingNorm: 0.3 });
    const sum = (count: number) =>
      sumClippedGradients(parameters, options.examples.slice(0, count), { ...options, microBatchSize: 4 });
    for (const count of options.examples.keys()) {
      const [without, withIt] = [await sum(count), await sum(count + 1)];
      // 1e-6: the difference of two float32 sums
      expect(norm(withIt.map((value, i) => value - without[i]!))).toBeLessThanOrEqual(0.3 + 1e-6);
    }
    classifier.dispose();
  });

  test('an example whose gradient is not finite is dropped, and the others keep theirs', async () => {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { poisoned: true });
    const poisonedId = classifier.encode(POISONED_WORD).sequence[1]!;
    const bad = options.examples.filter(({ sequence }) => sequence.includes(poisonedId));
    const good = options.examples.filter(({ sequence }) => !sequence.includes(poisonedId));
    expect([bad.length, good.length]).toEqual([1, 5]);
    const { gradients, losses } = classifier.exampleGradients(parameters, bad, 1);
    expect((await compute.ops.read(gradients)).every(Number.isNaN)).toBe(true);
    compute.ops.dispose([gradients, losses]);

    expect(norm(await sumClippedGradients(parameters, bad, options))).toBe(0);
    const mixed = await sumClippedGradients(parameters, options.examples, options);
    expectClose(mixed, await sumClippedGradients(parameters, good, options), 1e-6);
    const unprotected = { ...options, plan: { ...options.plan, unit: 'none', noiseMultiplier: 0 } as const };
    expect(
      (await sumClippedGradients(parameters, options.examples, unprotected)).every(Number.isFinite),
    ).toBe(true);
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

test('a step without noise is -learningRate * clippedSum / expectedBatchSize', async () => {
  const compute = await openCompute('cpu');
  const plan = { localSteps: 1, learningRate: 0.25, expectedBatchSize: 8, clippingNorm: 0.5 };
  const { options, parameters, classifier } = tinyTraining(compute, plan);
  const start = parameters.slice();
  const { values, event } = await computeClientUpdate(parameters, options);
  const sum = await sumClippedGradients(parameters, options.examples, options);
  expectClose(
    values,
    sum.map((value) => (-0.25 * value) / 8),
    1e-5,
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
    const sum = await sumClippedGradients(at, options.examples, options);
    at.forEach((value, i) => (at[i] = value - (2 * sum[i]!) / options.plan.expectedBatchSize));
  }
  expectClose(
    values,
    at.map((value, i) => value - parameters[i]!),
    1e-5,
  );
  classifier.dispose();
});

test('without privacy nothing is clipped and no noise asked for', async () => {
  const compute = await openCompute('cpu');
  const plan = { unit: 'none', noiseMultiplier: 0, clippingNorm: 1e-3 } as const;
  const { options, parameters, classifier } = tinyTraining(compute, plan);
  const forbidden = {
    addGaussian: () => {
      throw new Error('noise was asked for');
    },
  };
  const { values, event } = await computeClientUpdate(parameters, { ...options, noise: forbidden });
  expect(norm(values)).toBeGreaterThan((6 * 1e-3 * 0.5) / 4);
  expect(event).toEqual({ type: 'non-private' });
  classifier.dispose();
});

test('an empty sample is a step of pure noise, and steps are never skipped', async () => {
  const compute = await openCompute('cpu');
  const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 3, clippingNorm: 0.5 });
  const asked: { stdDev: number; before: number }[] = [];
  const noise = {
    addGaussian(values: Float64Array, stdDev: number) {
      asked.push({ stdDev, before: Math.max(...values.map(Math.abs)) });
      values.forEach((value, i) => (values[i] = value + (i % 3) - 1));
    },
  };
  const steps: number[] = [];
  const { values } = await computeClientUpdate(parameters, {
    ...options,
    random: nobody,
    noise,
    onStep: (step) => steps.push(step),
  });
  expect(asked).toEqual(Array.from({ length: 3 }, () => ({ stdDev: 0.5, before: 0 })));
  expect(steps).toEqual([1, 2, 3]);
  // Three steps of learning rate 0.5 on noise -1, 0, 1 over the expected batch of 4
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
  const sum = await sumClippedGradients(parameters, drawn, options);
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

test('the same seeds give the same round on cpu and wasm', async () => {
  const updates: Float32Array[] = [];
  for (const backend of backends) {
    const compute = await openCompute(backend);
    const { options, parameters, classifier } = tinyTraining(compute, { localSteps: 3 });
    const noise = webCryptoNoise(seededRandom(2));
    const { values } = await computeClientUpdate(parameters, { ...options, random: seededRandom(1), noise });
    updates.push(values);
    classifier.dispose();
  }
  expectClose(updates[1]!, updates[0]!, 1e-5);
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

test.each([0.1, 0.4])(
  'a round draws each example with the accounted rate %s, anew in every step',
  async (samplingRate) => {
    const compute = await openCompute('cpu');
    const { options, parameters, classifier } = tinyTraining(compute);
    const localSteps = 40;
    const examples = Array.from({ length: 10 }, () => options.examples).flat();
    const drawn = vi.spyOn(classifier, 'exampleGradients');
    await computeClientUpdate(parameters, {
      ...options,
      examples,
      plan: { ...options.plan, samplingRate, localSteps },
      random: seededRandom(11),
      noise: silence,
    });
    const total = drawn.mock.calls.reduce((sum, [, batch]) => sum + batch.length, 0);
    const coins = examples.length * localSteps;
    // Binomial(coins, q): half or twice the rate is far outside five standard deviations
    const tolerance = 5 * Math.sqrt(coins * samplingRate * (1 - samplingRate));
    expect(Math.abs(total - coins * samplingRate)).toBeLessThan(tolerance);
    classifier.dispose();
  },
);
