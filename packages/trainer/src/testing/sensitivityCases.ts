import type { Compute } from '@chorale/compute';
import type { ClippingRule, PrivacyPlan } from '@chorale/privacy';
import { GRID_UNITS, mechanismOf } from '@chorale/privacy';
import { expect } from 'vitest';
import { computeClientUpdate } from '../clientUpdate.ts';
import type { Example } from '../sequenceClassifier.ts';
import type { Turn } from './randomTraining.ts';
import { gridSums, planOf, randomExamples, randomModel, seededNumbers } from './randomTraining.ts';
import { everyone, norm, silence } from './tinyTraining.ts';

/** Norms of clipped gradients, over GRID_UNITS: to be printed, and to see that a case tests anything. */
export type Seen = { additions: number; least: number; most: number };

/**
 * Checks on the real training step that an example more changes the sum by exactly the integers it gives alone, and that
 * they are no longer than GRID_UNITS, i.e. clippingNorm: for a random model, random parameters and a random clippingNorm
 * around the gradients' own norms.
 * @param options pool: examples to choose from; three in ten of them are in a batch. turn: what the round trains
 */
export async function checkSensitivity(
  compute: Compute,
  options: {
    seed: number;
    rule: ClippingRule;
    microBatchSize: number;
    additions: number;
    pool?: number;
    turn?: Turn;
  },
): Promise<Seen> {
  const { seed, rule, microBatchSize, additions, pool = 30, turn } = options;
  const next = seededNumbers(seed);
  const model = randomModel(compute, seed, turn);
  const examples = randomExamples(pool, seed + 500);
  const sumOf = gridSums(compute, model, { clipping: rule, clippingNorm: 10 ** (1.5 * next()) });
  const sum = (batch: readonly Example[]) => sumOf(batch, microBatchSize);
  const seen: Seen = { additions: 0, least: Infinity, most: 0 };
  for (let addition = 0; addition < additions; addition++) {
    // Any subset, in any order, and one example more anywhere in it
    const others = examples.filter(() => next() < 0.3);
    const added = examples[Math.floor(next() * examples.length)]!;
    const at = Math.floor(next() * (others.length + 1));
    const without = await sum(others);
    const withIt = await sum([...others.slice(0, at), added, ...others.slice(at)]);
    const own = await sum([added]);
    expect(own.every(Number.isSafeInteger) && without.every(Number.isSafeInteger)).toBe(true);
    const unlike = own.filter((value, i) => withIt[i]! - without[i]! !== value).length;
    expect({ addition, others: others.length, unlike }).toEqual({
      addition,
      others: others.length,
      unlike: 0,
    });
    expect(norm(own)).toBeLessThanOrEqual(GRID_UNITS);
    seen.additions += 1;
    seen.least = Math.min(seen.least, norm(own) / GRID_UNITS);
    seen.most = Math.max(seen.most, norm(own) / GRID_UNITS);
  }
  model.classifier.dispose();
  return seen;
}

/**
 * Sums with several micro-batch sizes.
 * @returns the largest difference of a coordinate, in grid units: 0 where kernels round a row alike in every shape
 */
export async function sumsByMicroBatchSize(
  compute: Compute,
  { seed, sizes, count, turn }: { seed: number; sizes: readonly number[]; count: number; turn?: Turn },
): Promise<number> {
  const model = randomModel(compute, seed, turn);
  const examples = randomExamples(count, seed + 900);
  const sum = gridSums(compute, model, { clippingNorm: 0.5 });
  const first = await sum(examples, sizes[0]!);
  expect(norm(first)).toBeGreaterThan(GRID_UNITS / 10);
  let largest = 0;
  for (const size of sizes.slice(1)) {
    const other = await sum(examples, size);
    other.forEach((value, i) => (largest = Math.max(largest, Math.abs(value - first[i]!))));
  }
  model.classifier.dispose();
  return largest;
}

/**
 * Checks on whole rounds of unit `contributor`, without noise, that the change is at most clippingNorm long for any two
 * data sets, and at most twice that apart.
 * @returns the largest distance between two changes, over clippingNorm
 */
export async function checkContributorSensitivity(
  compute: Compute,
  { seed, rule, turn }: { seed: number; rule: ClippingRule; turn?: Turn },
): Promise<number> {
  const { classifier, parameters, range } = randomModel(compute, seed, turn);
  let largest = 0;
  for (const [clippingNorm, learningRate] of [
    [0.01, 1],
    [0.3, 3],
    [2, 1000],
  ] as const) {
    const change: Partial<PrivacyPlan> = { unit: 'contributor', clipping: rule, clippingNorm, learningRate };
    const plan = planOf({ ...change, localSteps: 3 });
    const changeOf = async (examples: readonly Example[]) => {
      const common = { compute, classifier, plan, range, random: everyone, noise: silence };
      const { values } = await computeClientUpdate(parameters, { ...common, examples });
      const units = Float64Array.from(values, (value) => Math.round(value / mechanismOf(plan).gridStep));
      expect(norm(units)).toBeLessThanOrEqual(GRID_UNITS);
      return units;
    };
    const examples = randomExamples(6, seed + 300);
    // The same texts with all labels turned, one text only, none: as far apart as data can be
    const turned = examples.map(({ sequence, label }) => ({ sequence, label: (label + 1) % 3 }));
    const changes = [];
    for (const data of [examples, turned, examples.slice(0, 1), []]) changes.push(await changeOf(data));
    for (const first of changes) {
      for (const second of changes) {
        const distance = norm(first.map((value, i) => value - second[i]!));
        expect(distance).toBeLessThanOrEqual(2 * GRID_UNITS);
        largest = Math.max(largest, distance / GRID_UNITS);
      }
    }
  }
  classifier.dispose();
  return largest;
}
