import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test } from 'vitest';
import { BufferedUniform } from '../mechanism/random.ts';
import { CoinTally, NoiseTally } from './momentChecks.ts';

const EXAMPLES = 100;
const RELEASES = 200;

/** One training's draws by a rule; the rule gets a uniform source of its own. */
function tally(
  samplingRate: number,
  draw: (release: number, uniform: BufferedUniform) => number[],
  seed = 1,
) {
  const uniform = new BufferedUniform(seededRandom(seed));
  const coins = new CoinTally(samplingRate);
  coins.add(
    Array.from({ length: RELEASES }, (_, release) => draw(release, uniform)),
    1,
  );
  return coins.check(1e-3);
}

const independent = (rate: number) => (_: number, uniform: BufferedUniform) =>
  Array.from({ length: EXAMPLES }, () => (uniform.next() < rate ? 1 : 0));

describe('CoinTally', () => {
  test('passes independent coins, 100 times out of 100', () => {
    for (let seed = 0; seed < 100; seed++) {
      expect(tally(0.05, independent(0.05), seed)).toMatchObject({ passed: true });
    }
  });

  test('passes the sum of several local steps', () => {
    const uniform = new BufferedUniform(seededRandom(3));
    const coins = new CoinTally(0.2);
    const five = () =>
      Array.from({ length: 5 }, () => (uniform.next() < 0.2 ? 1 : 0)).reduce<number>((a, b) => a + b, 0);
    coins.add(
      Array.from({ length: RELEASES }, () => Array.from({ length: EXAMPLES }, five)),
      5,
    );
    expect(coins.check(1e-3)).toMatchObject({ passed: true });
  });

  test('sampling rate 1: everyone always', () => {
    expect(tally(1, independent(1))).toMatchObject({ passed: true, observedRate: 1, rateUpper: 1 });
    expect(tally(1, independent(0.999)).passed).toBe(false);
  });

  test('another rate', () => {
    expect(tally(0.05, independent(0.06)).passed).toBe(false);
    expect(tally(0.05, independent(0.04)).passed).toBe(false);
    expect(tally(0.05, independent(1)).passed).toBe(false);
  });

  test('batches of a fixed size', () => {
    const fixedSize = (_: number, uniform: BufferedUniform) => {
      const keys = Array.from({ length: EXAMPLES }, () => uniform.next());
      const limit = keys.toSorted((a, b) => a - b)[5]!;
      return keys.map((key) => (key < limit ? 1 : 0));
    };
    const check = tally(0.05, fixedSize);
    expect(check.batchSizeScore).toBeLessThan(-5);
    expect(check.rateLower).toBeLessThan(0.05);
    expect(check.rateUpper).toBeGreaterThan(0.05);
    expect(check.passed).toBe(false);
  });

  test('taking turns, though the batches vary in size', () => {
    const turns = (release: number) =>
      Array.from({ length: EXAMPLES }, (_, i) => ((i * i) % 20 === release % 20 ? 1 : 0));
    expect(tally(0.05, turns).participationScore).toBeLessThan(-5);
  });

  test('the same coins in every release', () => {
    const uniform = new BufferedUniform(seededRandom(5));
    const once = independent(0.05)(0, uniform);
    expect(tally(0.05, () => once).participationScore).toBeGreaterThan(5);
  });
});

describe('NoiseTally', () => {
  const check = (make: (normal: () => number, release: number) => Float64Array, seed = 1) => {
    const uniform = new BufferedUniform(seededRandom(seed));
    const normal = () => Math.sqrt(-2 * Math.log(uniform.next())) * Math.cos(2 * Math.PI * uniform.next());
    const noise = new NoiseTally();
    let previous: Float64Array | null = null;
    for (let release = 0; release < RELEASES; release++) {
      const values = make(normal, release);
      noise.add(values, previous);
      previous = values;
    }
    return noise.check();
  };
  const fresh = (stdDev: number) => (normal: () => number) =>
    Float64Array.from({ length: EXAMPLES }, () => stdDev * normal());

  test('passes independent noise, 100 times out of 100', () => {
    for (let seed = 0; seed < 100; seed++) expect(check(fresh(1), seed)).toMatchObject({ passed: true });
    expect(Math.abs(check(fresh(1)).ratio - 1)).toBeLessThan(0.02);
  });

  test('too little fails, too much passes', () => {
    expect(check(fresh(0.94))).toMatchObject({ passed: false });
    expect(check(fresh(0.5)).ratio).toBeCloseTo(0.5, 1);
    expect(check(fresh(2))).toMatchObject({ passed: true });
    expect(check(() => new Float64Array(EXAMPLES))).toMatchObject({ passed: false, ratio: 0 });
  });

  test('the same noise in every release', () => {
    let first: Float64Array | null = null;
    const result = check((normal) => (first ??= fresh(1)(normal)));
    expect(result.releaseScore).toBeGreaterThan(5);
    expect(result.passed).toBe(false);
  });

  test('one draw for all coordinates', () => {
    const result = check((normal) => new Float64Array(EXAMPLES).fill(normal()));
    expect(result.neighbourScore).toBeGreaterThan(5);
    expect(result.passed).toBe(false);
  });
});
