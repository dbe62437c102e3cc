import { openCompute } from '@chorale/compute';
import type * as Privacy from '@chorale/privacy';
import type * as PrivacySimulation from '@chorale/privacy/simulation';
import type { PrivacyPlan, RandomSource } from '@chorale/privacy';
import { examplePlan } from '@chorale/privacy/testing/plans';
import { seededRandom } from '@chorale/testing/seededRandom';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { auditTrainingStep } from './audit.ts';
import type { AuditOptions } from './audit.ts';

/*
 * Defects that a plan cannot express are put into the real step by replacing one of the functions it imports. All random
 * numbers are seeded, so that no test fails by chance.
 */
const defects = vi.hoisted(() => ({ sampler: 'none', noise: 'none' }));

vi.mock('@chorale/privacy', async (importOriginal) => {
  const real = await importOriginal<typeof Privacy>();
  let step = 0;
  let first: Uint32Array | null = null;
  const poissonSample: typeof real.poissonSample = (count, rate, random) => {
    const drawn = real.poissonSample(count, rate, random);
    step += 1;
    switch (defects.sampler) {
      case 'fixed-size': {
        // As many as expected, all sets equally likely: those with the smallest keys
        const keys = randomWords(new Uint32Array(count), random);
        const order = Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
        return Uint32Array.from(order.slice(0, Math.round(count * rate)));
      }
      case 'turns': {
        const every = Math.round(1 / rate);
        return Uint32Array.from({ length: count }, (_, i) => i).filter(
          (i) => (i * i + i) % every === step % every,
        );
      }
      case 'same-coins':
        first = first?.length === undefined || step % 256 === 1 ? drawn : first;
        return first.filter((i) => i < count);
      default:
        return drawn;
    }
  };
  return { ...real, poissonSample };
});

vi.mock('@chorale/privacy/simulation', async (importOriginal) => {
  const real = await importOriginal<typeof PrivacySimulation>();
  const { seededRandom: seeded } = await import('@chorale/testing/seededRandom');
  const { scriptedNoise } = await import('@chorale/privacy/testing/scriptedNoise');
  const seededNoiseSource: typeof real.seededNoiseSource = (kind, random) => {
    if (defects.noise !== 'same-seed') return real.seededNoiseSource(kind, random);
    return scriptedNoise(
      (values, stdDev) => real.seededNoiseSource(kind, seeded(7)).addNoise(values, stdDev),
      kind,
    );
  };
  return { ...real, seededNoiseSource };
});

function randomWords(words: Uint32Array, random: RandomSource): Uint32Array {
  fillBytes(new Uint8Array(words.buffer), random);
  return words;
}

function fillBytes(bytes: Uint8Array, random: RandomSource): void {
  random.fill(bytes);
}

beforeEach(() => {
  defects.sampler = 'none';
  defects.noise = 'none';
});

const PLAN: PrivacyPlan = {
  ...examplePlan,
  clippingNorm: 0.5,
  noiseMultiplier: 1,
  localSteps: 1,
  expectedBatchSize: 32,
  learningRate: 0.25,
};

async function audit(change: Partial<AuditOptions> = {}) {
  return await auditTrainingStep({
    compute: await openCompute('wasm'),
    plan: PLAN,
    steps: 200,
    canaries: 800,
    confidence: 0.999,
    random: seededRandom(5),
    ...change,
  });
}

describe('the real step passes', () => {
  test.each<Partial<PrivacyPlan>>([
    {},
    { clipping: 'automatic', noise: 'discrete-gaussian' },
    { localSteps: 4, samplingRate: 0.2, noiseMultiplier: 2 },
    { samplingRate: 1, noiseMultiplier: 20 },
  ])('with %j', async (change) => {
    const done: number[] = [];
    const report = await audit({
      plan: { ...PLAN, ...change },
      onProgress: (releases, inAll) => done.push(releases / inAll),
    });
    expect(report).toMatchObject({
      passed: true,
      contribution: { passed: true },
      coins: { passed: true },
      noise: { passed: true },
      game: { passed: true },
    });
    // Clipping acted, and canaries in the data were seen
    expect(report.contribution.largest).toBeGreaterThan(0.999);
    expect(report.game.epsilonAtLeast).toBeLessThan(report.claimed.epsilon);
    expect(report.game.gaussian!.epsilonAtLeast).toBeLessThan(report.claimed.epsilon);
    expect(report.canaries.present + report.canaries.absent).toBe(800);
    expect(done.at(-1)).toBe(1);
  });

  test('and 4000 canaries show half of the claimed epsilon', async () => {
    const { passed, claimed, game } = await audit({ canaries: 4000 });
    expect(passed).toBe(true);
    expect(game.gaussian!.epsilonAtLeast).toBeGreaterThan(0.45 * claimed.epsilon);
  });
});

describe('a plan that is not the claimed one is refuted', () => {
  test('half the noise', async () => {
    const report = await audit({
      plan: { ...PLAN, noiseMultiplier: 0.5 },
      claimedPlan: PLAN,
      canaries: 2000,
    });
    expect(report).toMatchObject({
      passed: false,
      contribution: { passed: true },
      coins: { passed: true },
      noise: { passed: false },
      game: { passed: false },
    });
    expect(report.noise.ratio).toBeCloseTo(0.5, 1);
    expect(report.game.gaussian!.epsilonAtLeast).toBeGreaterThan(report.claimed.epsilon);
    expect(report.game.gaussian!.noiseMultiplierAtMost).toBeLessThan(1);
    expect(report.game.gaussian!.noiseMultiplierAtMost).toBeGreaterThan(0.5);
  });

  test('clipping lost, the noise as claimed', async () => {
    const plan = { ...PLAN, clippingNorm: 5 * PLAN.clippingNorm, noiseMultiplier: 0.2 };
    const report = await audit({ plan, claimedPlan: PLAN });
    expect(report).toMatchObject({
      passed: false,
      contribution: { passed: false },
      noise: { passed: true },
      game: { passed: false },
    });
    expect(report.contribution.largest).toBeCloseTo(5, 1);
    // Even without a model of the mechanism, from 800 canaries
    expect(report.game.epsilonAtLeast).toBeGreaterThan(3);
  });

  test('everyone in every batch', async () => {
    const report = await audit({
      plan: { ...PLAN, samplingRate: 1 },
      claimedPlan: PLAN,
      steps: 50,
      canaries: 500,
    });
    expect(report).toMatchObject({ passed: false, coins: { passed: false }, game: { passed: false } });
    expect(report.coins.observedRate).toBe(1);
  });
});

describe('a broken step is refuted', () => {
  test('batches of a fixed size', async () => {
    defects.sampler = 'fixed-size';
    const { coins, passed } = await audit({ canaries: 200, steps: 40 });
    expect(passed).toBe(false);
    expect(coins.batchSizeScore).toBeLessThan(-5);
  });

  test('examples that take turns', async () => {
    defects.sampler = 'turns';
    const { coins, passed } = await audit({ canaries: 200, steps: 40 });
    expect(passed).toBe(false);
    expect(coins.participationScore).toBeLessThan(-5);
  });

  test('coins thrown once', async () => {
    defects.sampler = 'same-coins';
    const { coins, passed } = await audit({ canaries: 200, steps: 40 });
    expect(passed).toBe(false);
    expect(coins.participationScore).toBeGreaterThan(5);
  });

  test('noise that repeats itself', async () => {
    defects.noise = 'same-seed';
    const { noise, passed } = await audit({ canaries: 200, steps: 40 });
    expect(passed).toBe(false);
    expect(noise.releaseScore).toBeGreaterThan(5);
  });
});

test.each<[string, Partial<AuditOptions>]>([
  ["unit 'example'", { plan: { ...PLAN, unit: 'contributor' } }],
  ['multiple of localSteps 3', { plan: { ...PLAN, localSteps: 3 } }],
  ['steps', { steps: 0 }],
  ['canaries', { canaries: 99 }],
  ['confidence', { confidence: 1 }],
])('refuses, naming %s', async (message, change) => {
  await expect(audit(change)).rejects.toThrow(message);
});
