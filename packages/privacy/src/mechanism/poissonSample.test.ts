import { seededRandom } from '@chorale/testing/seededRandom';
import { describe, expect, test } from 'vitest';
import { poissonSample } from './poissonSample.ts';
import { webCryptoRandom } from './random.ts';

test('edge cases', () => {
  expect(poissonSample(0, 0.5, webCryptoRandom)).toEqual(new Uint32Array());
  expect(poissonSample(5, 1, webCryptoRandom)).toEqual(Uint32Array.of(0, 1, 2, 3, 4));
  expect(poissonSample(5000, 1, webCryptoRandom)).toHaveLength(5000);
  expect(poissonSample(1000, 1e-300, webCryptoRandom)).toHaveLength(0);
});

test.each([
  [-1, 0.5],
  [1.5, 0.5],
  [Number.NaN, 0.5],
  [10, 0],
  [10, -0.1],
  [10, 1.0000001],
  [10, Number.NaN],
])('poissonSample(%s, %s) is refused', (count, rate) => {
  expect(() => poissonSample(count, rate, webCryptoRandom)).toThrow(RangeError);
});

describe('20,000 samples of 200 examples at rate 0.05', () => {
  const draws = 20_000;
  const count = 200;
  const rate = 0.05;
  const random = seededRandom(11);
  const perExample = new Float64Array(count);
  const sizes = new Float64Array(count + 1);
  let neighbours = 0;
  let repeats = 0;
  let previous = new Set<number>();
  for (let draw = 0; draw < draws; draw++) {
    const sample = poissonSample(count, rate, random);
    sizes[sample.length]! += 1;
    const chosen = new Set(sample);
    for (const index of sample) {
      perExample[index]! += 1;
      if (chosen.has(index + 1)) neighbours += 1;
      if (previous.has(index)) repeats += 1;
    }
    previous = chosen;
  }

  test('each example joins at the rate: neither too evenly (shuffled epochs) nor too unevenly', () => {
    const variance = draws * rate * (1 - rate);
    const chiSquare = perExample.reduce((sum, n) => sum + (n - draws * rate) ** 2 / variance, 0);
    expect(chiSquare).toBeGreaterThan(120); // 200 degrees of freedom, s.d. 20
    expect(chiSquare).toBeLessThan(300);
  });

  test('the batch size is Binomial(200, 0.05), not fixed', () => {
    let chance = (1 - rate) ** count; // P(size = 0)
    let chiSquare = 0;
    let restSeen = draws;
    let restExpected = draws;
    for (let size = 0; size <= 20; size++) {
      const expected = draws * chance;
      if (expected >= 5) {
        chiSquare += (sizes[size]! - expected) ** 2 / expected;
        restSeen -= sizes[size]!;
        restExpected -= expected;
      }
      chance *= ((count - size) / (size + 1)) * (rate / (1 - rate));
    }
    chiSquare += (restSeen - restExpected) ** 2 / restExpected;
    expect(chiSquare).toBeLessThan(60); // about 20 degrees of freedom, s.d. 6.3
  });

  test('examples join independently of each other and of the draw before', () => {
    const pairs = draws * (count - 1) * rate * rate; // 9,950 expected, s.d. 100
    expect(Math.abs(neighbours - pairs)).toBeLessThan(600);
    const again = (draws - 1) * count * rate * rate; // 10,000 expected, s.d. 100; 0 when shuffled epochs
    expect(Math.abs(repeats - again)).toBeLessThan(600);
  });
});
