import type { NoiseKind } from '@chorale/privacy';
import { parseRunConfig, rowLimit } from '@chorale/protocol';
import type { RunConfigInput, RunPlan } from '@chorale/protocol';
import { randomValues } from '@chorale/testing';
import { describe, expect, it } from 'vitest';
import { honestNorm } from './honestNorm.ts';
import { checkNorm, normWindow } from './normWindow.ts';

type PlanChange = {
  count?: number;
  training?: Partial<RunConfigInput['training']>;
  unit?: 'example' | 'contributor' | 'none';
  noise?: NoiseKind;
  aggregation?: RunConfigInput['aggregation'];
  encoding?: 'f32' | 'f16' | 'int8';
  noiseMultiplier?: number;
};

type LawPlan = Pick<RunPlan, 'config' | 'noiseMultiplier' | 'trainedRanges'>;

/** A unit of the values of an update is 1 here: learningRate · clippingNorm / expectedBatchSize, in `example`. */
function planOf(change: PlanChange = {}): LawPlan {
  const { count = 400, unit = 'example', noise = 'rounded-gaussian', noiseMultiplier = 1.5 } = change;
  const { training, aggregation, encoding = 'f32' } = change;
  const config = parseRunConfig({
    name: 'law',
    model: 'model',
    task: { type: 'sequence-classification', labels: ['a', 'b'], maxTokens: 8, pooling: 'mean' },
    training: {
      localSteps: 5,
      learningRate: 5,
      samplingRate: 0.1,
      expectedBatchSize: 10,
      clippingNorm: 2,
      ...training,
    },
    privacy: unit === 'none' ? { unit } : { unit, noiseMultiplier, targetDelta: 1e-5, noise },
    rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 },
    transport: { encoding },
    ...(aggregation === undefined ? {} : { aggregation }),
  });
  return {
    config,
    noiseMultiplier: unit === 'none' ? 0 : noiseMultiplier,
    trainedRanges: [{ start: 0, end: count }],
  };
}

/** Uniform numbers from 0 to 1, and standard normal ones by Box and Muller. */
class Draws {
  #values = new Float32Array(0);
  #next = 0;
  #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  uniform(): number {
    if (this.#next === this.#values.length) {
      this.#values = randomValues(65_536, (this.#seed += 1)).map((value) => (value + 1) / 2);
      this.#next = 0;
    }
    return this.#values[this.#next++]!;
  }

  normals(count: number): Float64Array {
    const draw = () =>
      Math.sqrt(-2 * Math.log(1 - this.uniform() * (1 - 1e-7))) * Math.cos(2 * Math.PI * this.uniform());
    return Float64Array.from({ length: count }, draw);
  }

  binomial(trials: number, chance: number): number {
    let sum = 0;
    for (let i = 0; i < trials; i++) if (this.uniform() < chance) sum += 1;
    return sum;
  }
}

const normOf = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));

/** Where the clipped gradients of a step may point, knowing all noise that came before: values of a unit vector, or 0. */
const GRADIENTS = {
  none: () => 0,
  'all one way': (_at: number, _norm: number, i: number) => (i === 0 ? 1 : 0),
  'along what is there': (at: number, norm: number) => at / (norm || 1),
  'against what is there': (at: number, norm: number) => -at / (norm || 1),
} as const;

/** One honest update of a tab with as many rows as she may have, by the mechanism's law; shape [count]. */
function honestUpdate(
  { config, noiseMultiplier, trainedRanges }: LawPlan,
  way: keyof typeof GRADIENTS,
  draws: Draws,
): Float64Array {
  const { training, privacy } = config;
  const byExample = privacy.unit === 'example';
  const { learningRate, clippingNorm, expectedBatchSize, samplingRate, localSteps } = training;
  const unit = byExample ? (learningRate * clippingNorm) / expectedBatchSize : clippingNorm;
  const stdDev = noiseMultiplier * (byExample ? 1 : 2);
  const at = new Float64Array(trainedRanges[0]!.end);
  for (let step = 0; step < (byExample ? localSteps : 1); step++) {
    const drawn = byExample ? draws.binomial(rowLimit(config), samplingRate) : 1;
    const norm = normOf(at);
    // Against: no further than to zero, which is the shortest
    const length = way === 'against what is there' ? Math.min(drawn, norm / unit) : drawn;
    const noise = draws.normals(at.length);
    for (let i = 0; i < at.length; i++) {
      at[i]! += unit * (length * GRADIENTS[way](at[i]!, norm, i) + stdDev * noise[i]!);
    }
  }
  return at;
}

const WAYS = Object.keys(GRADIENTS) as (keyof typeof GRADIENTS)[];

describe('honestNorm', () => {
  const laws: [string, PlanChange][] = [
    ['example, 5 steps', {}],
    ['example, 1 step', { training: { localSteps: 1 } }],
    ['example, every row in every step', { training: { samplingRate: 1 } }],
    ['example, little noise', { noiseMultiplier: 0.05 }],
    ['example, few values', { count: 12 }],
    ['example, small batches', { training: { expectedBatchSize: 0.5, learningRate: 0.25 } }],
    ['contributor', { unit: 'contributor' }],
    ['contributor, little noise', { unit: 'contributor', noiseMultiplier: 0.02 }],
  ];
  it.each(laws)('%s: a thousand honest updates pass, whatever the gradients do', (_, change) => {
    const plan = planOf(change);
    const { lowest, highest } = honestNorm(plan, 1);
    const draws = new Draws(1);
    for (const way of WAYS) {
      for (let i = 0; i < 250; i++) {
        const norm = normOf(honestUpdate(plan, way, draws));
        expect(norm).toBeGreaterThan(lowest);
        expect(norm).toBeLessThan(highest);
      }
    }
  });

  // If a bound were loose by much, the window would say less than it can
  it('is tight where the noise stands alone', () => {
    const plan = planOf({
      count: 36_864,
      training: { localSteps: 1, expectedBatchSize: 0.01, learningRate: 0.005 },
    });
    const { lowest, highest } = honestNorm(plan, 1);
    const noise = 1.5 * Math.sqrt(36_864);
    expect(lowest / noise).toBeGreaterThan(0.97);
    expect(lowest / noise).toBeLessThan(0.98); // six standard deviations of 0.37 % would be 0.978
    expect(highest / noise).toBeGreaterThan(1.022);
    expect(highest / noise).toBeLessThan(1.04);
  });

  it('holds noise along the gradients as rare as one in 1e9', () => {
    // One value: a change of clippingNorm, 2, and six standard deviations of the noise, 0.02 · 2 · 2, on top
    const { highest } = honestNorm(planOf({ unit: 'contributor', count: 1, noiseMultiplier: 0.02 }), 1);
    expect(highest).toBeGreaterThan(2 + 6 * 0.08);
    expect(highest).toBeLessThan(2 + 8 * 0.08);
  });

  it('takes of several steps the last ones that gradients cannot undo', () => {
    // Noise of 1.5·√40,000 = 300 a step, gradients of at most about 4 · 2 + 30: two steps are longer than one
    const [one, two, ten] = [1, 2, 10].map((localSteps) =>
      honestNorm(
        planOf({ count: 40_000, training: { localSteps, expectedBatchSize: 2, learningRate: 1 } }),
        1,
      ),
    );
    expect(one!.lowest).toBeGreaterThan(0.97 * 300);
    expect(two!.lowest).toBeGreaterThan(one!.lowest);
    expect(ten!.lowest).toBeGreaterThan(two!.lowest);
    // With batches of 50 the gradients of one step could undo more than a step more adds
    const large = { count: 40_000, training: { localSteps: 10, expectedBatchSize: 50, learningRate: 25 } };
    expect(honestNorm(planOf(large), 1).lowest).toBeCloseTo(one!.lowest, 6);
  });

  it('scales with learningRate and clippingNorm, and is of the range that the round trains', () => {
    const { lowest, highest } = honestNorm(planOf(), 1);
    for (const change of [{ learningRate: 10 }, { clippingNorm: 4 }]) {
      const twice = honestNorm(planOf({ training: change }), 1);
      expect(twice.lowest / lowest).toBeCloseTo(2, 9);
      expect(twice.highest / highest).toBeCloseTo(2, 9);
    }
    const ranges = [{ start: 0, end: 900 }, { start: 900, end: 1000 }]; // prettier-ignore
    const plan = { ...planOf(), trainedRanges: ranges };
    expect(honestNorm(plan, 1)).toEqual(honestNorm(planOf({ count: 900 }), 1));
    expect(honestNorm(plan, 2)).toEqual(honestNorm(planOf({ count: 100 }), 1));
    expect(honestNorm(plan, 3)).toEqual(honestNorm(plan, 1));
  });

  it('is wider for discrete noise by what the drawing can move, and no more', () => {
    const rounded = honestNorm(planOf(), 1);
    const discrete = honestNorm(planOf({ noise: 'discrete-gaussian' }), 1);
    expect(discrete.highest).toBeGreaterThan(rounded.highest);
    expect(discrete.highest / rounded.highest).toBeLessThan(1.001);
    expect(discrete.lowest / rounded.lowest).toBeGreaterThan(0.999);
    // Noise of less than a grid unit is a whole unit where it is discrete
    const tiny = {
      noiseMultiplier: 0.3 / 32_768,
      training: { samplingRate: 1, expectedBatchSize: 0.001, learningRate: 5e-4 },
    };
    const unit = honestNorm(planOf({ ...tiny, noise: 'discrete-gaussian' }), 1);
    expect(unit.highest - honestNorm(planOf(tiny), 1).highest).toBeGreaterThan(
      (0.5 * Math.sqrt(5 * 400)) / 32_768,
    );
  });

  it('leaves room for the rounding of f16 and int8', () => {
    const [f32, f16, int8] = (['f32', 'f16', 'int8'] as const).map((encoding) =>
      honestNorm(planOf({ encoding }), 1),
    );
    expect(f16!.lowest).toBeLessThan(f32!.lowest);
    expect(f16!.lowest / f32!.lowest).toBeGreaterThan(0.998);
    expect(f16!.highest / f32!.highest).toBeGreaterThan(1);
    expect(f16!.highest / f32!.highest).toBeLessThan(1.002);
    expect(int8!.lowest / f32!.lowest).toBeGreaterThan(0.97);
    expect(int8!.highest).toBeGreaterThan(f16!.highest);
  });
});

describe('normWindow and checkNorm', () => {
  it('there is none without noise, and none when the config wants none', () => {
    expect(normWindow(planOf(), 1)).toEqual(honestNorm(planOf(), 1));
    expect(normWindow(planOf({ aggregation: { normWindow: 'off' } }), 1)).toBeNull();
    expect(normWindow(planOf({ unit: 'none' }), 1)).toBeNull();
    expect(() => checkNorm(Float32Array.of(1e6), null)).not.toThrow();
  });

  it('refuses outside, takes the bounds, and says what it expected', () => {
    const window = { lowest: 3, highest: 5 };
    for (const values of [[3], [5], [0, -4], [3, 4]])
      expect(() => checkNorm(Float32Array.from(values), window)).not.toThrow();
    for (const values of [[], [0], [2.99], [5.01], [4, 4], [NaN], [Infinity]]) {
      expect(() => checkNorm(Float32Array.from(values), window)).toThrow(
        expect.objectContaining({ code: 'UPDATE_OUT_OF_WINDOW' }),
      );
    }
    expect(() => checkNorm(Float32Array.of(6), window)).toThrow(/from 3.000 to 5.000.*got 6.000/);
  });

  it('where noise rules, nothing, gradients without noise and what is boosted are refused', () => {
    const change = { count: 40_000, training: { localSteps: 1, expectedBatchSize: 2, learningRate: 1 } };
    for (const plan of [planOf(change), planOf({ ...change, unit: 'contributor' })]) {
      const window = normWindow(plan, 1);
      const honest = Float32Array.from(honestUpdate(plan, 'all one way', new Draws(3)));
      expect(() => checkNorm(honest, window)).not.toThrow();
      const clipped = Float32Array.of(8, ...new Float32Array(39_999)); // the mean batch of her most rows, all one way
      const wrong = [
        new Float32Array(40_000),
        clipped,
        ...[2, 3, 5, 10, -2, 0.5].map((boost) => honest.map((value) => value * boost)),
      ];
      for (const values of wrong) {
        expect(() => checkNorm(values, window)).toThrow(
          expect.objectContaining({ code: 'UPDATE_OUT_OF_WINDOW' }),
        );
      }
    }
  });
});
