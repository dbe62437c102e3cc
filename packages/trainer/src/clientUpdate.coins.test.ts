import { openCompute } from '@chorale/compute';
import { noiseSource, webCryptoRandom } from '@chorale/privacy';
import { examplePlan } from '@chorale/privacy/testing/plans';
import { chiSquareExcess } from '@chorale/testing/statistics';
import { beforeAll, describe, expect, test } from 'vitest';
import { CanaryGradients } from './audit/canaryGradients.ts';
import { computeClientUpdate } from './clientUpdate.ts';

/**
 * Which examples each step of one real round computed gradients of, with the product's own coins. Only the model is not
 * real, for the coins do not depend on it: all gradients are the same one.
 * @returns per step the indices, ascending
 */
async function drawnInRound(
  exampleCount: number,
  { samplingRate, localSteps }: { samplingRate: number; localSteps: number },
): Promise<number[][]> {
  const compute = await openCompute('cpu');
  const gradients = new CanaryGradients(compute, 1);
  const examples = Array.from({ length: exampleCount }, () => CanaryGradients.example(0));
  const indexOf = new Map(examples.map((example, i) => [example, i]));
  const drawn: number[][] = [];
  let current: number[] = [];
  await computeClientUpdate(new Float32Array(1), {
    compute,
    classifier: {
      factorsOf: () => gradients.factorsOf(),
      exampleGradients(parameters, examples, rowCount, range) {
        for (const example of examples) current.push(indexOf.get(example)!);
        return gradients.exampleGradients(parameters, examples, rowCount, range);
      },
    },
    examples,
    plan: { ...examplePlan, samplingRate, localSteps },
    range: { start: 0, end: 1 },
    random: webCryptoRandom,
    noise: noiseSource('rounded-gaussian'),
    microBatchSize: 4,
    onStep() {
      drawn.push(current.toSorted((a, b) => a - b));
      current = [];
    },
  });
  return drawn;
}

function binomial(count: number, chance: number, upTo: number): number[] {
  const chances = [(1 - chance) ** count];
  for (let k = 0; k < upTo; k++)
    chances.push((chances[k]! * ((count - k) / (k + 1)) * chance) / (1 - chance));
  return chances;
}

// A million coins of real rounds; every bound is five to six standard deviations
describe('the coins of a round are independent and have the accounted rate', () => {
  const [exampleCount, localSteps, samplingRate] = [400, 2500, 0.01];
  let drawn: number[][] = [];

  beforeAll(async () => {
    drawn = await drawnInRound(exampleCount, { samplingRate, localSteps });
  }, 60_000);

  const pairChance = samplingRate ** 2;
  /** Distance of a count of rare events from its mean, in standard deviations. */
  const excess = (seen: number, expected: number) => Math.abs(seen - expected) / Math.sqrt(expected);

  test('the rate, over a million coins', () => {
    expect(drawn).toHaveLength(localSteps);
    const total = drawn.reduce((sum, batch) => sum + batch.length, 0);
    expect(excess(total, exampleCount * localSteps * samplingRate)).toBeLessThan(5);
  });

  test('batch sizes are Binomial, the empty batch included', () => {
    const sizes = new Float64Array(exampleCount + 1);
    for (const batch of drawn) sizes[batch.length]! += 1;
    expect(sizes[0]).toBeGreaterThan(10); // 45 expected
    expect(chiSquareExcess(sizes, binomial(exampleCount, samplingRate, 30), localSteps)).toBeLessThan(6);
  });

  test('no example is favoured', () => {
    const perExample = new Float64Array(exampleCount);
    for (const batch of drawn) for (const index of batch) perExample[index]! += 1;
    const times = new Float64Array(200);
    for (const count of perExample) times[count]! += 1;
    // How often an example was drawn is Binomial over the steps: neither shuffled epochs (all alike) nor favourites
    expect(chiSquareExcess(times, binomial(localSteps, samplingRate, 100), exampleCount)).toBeLessThan(6);
  });

  test('an example is never drawn twice in a step', () => {
    expect(drawn.every((batch) => new Set(batch).size === batch.length)).toBe(true);
  });

  test('pairs of examples meet as often as chance has it, near and far ones', () => {
    const sets = drawn.map((batch) => new Set(batch));
    for (const lag of [1, 2, 8, 16, 128]) {
      let together = 0;
      drawn.forEach((batch, step) => {
        for (const index of batch) if (sets[step]!.has(index + lag)) together += 1;
      });
      expect(excess(together, localSteps * (exampleCount - lag) * pairChance)).toBeLessThan(6);
    }
  });

  test('a step knows nothing of the steps before it', () => {
    for (const lag of [1, 2, 10]) {
      let again = 0;
      for (let step = lag; step < localSteps; step++) {
        const before = new Set(drawn[step - lag]);
        for (const index of drawn[step]!) if (before.has(index)) again += 1;
      }
      expect(excess(again, (localSteps - lag) * exampleCount * pairChance)).toBeLessThan(6);
    }
  });
});

test('another rate is another number of examples', async () => {
  const drawn = await drawnInRound(100, { samplingRate: 0.4, localSteps: 100 });
  const total = drawn.reduce((sum, batch) => sum + batch.length, 0);
  expect(Math.abs(total - 4000)).toBeLessThan(5 * Math.sqrt(10_000 * 0.4 * 0.6));
});
