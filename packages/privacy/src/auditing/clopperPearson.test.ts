import { describe, expect, test } from 'vitest';
import { clopperPearsonLower, clopperPearsonUpper } from './clopperPearson.ts';

describe('clopperPearsonUpper', () => {
  test.each([
    // scipy.stats.beta.ppf(1 − error, k + 1, n − k)
    [0, 10, 0.05, 0.2588655508930522],
    [5, 20, 0.025, 0.49104587170795744],
    [0, 4000, 1e-5, 0.0028740932294686414],
    [37, 4000, 1e-5, 0.01747787962799495],
    [3999, 4000, 0.01, 0.9999974874191931],
    [9, 10, 0.025, 0.9974714214555382],
    [250_000, 1_000_000, 1e-6, 0.2520626333455655],
    [1, 1, 0.05, 1],
  ])('%d of %d at %d', (events, trials, errorProbability, expected) => {
    const bound = clopperPearsonUpper(events, trials, errorProbability);
    expect(Math.abs(bound - expected)).toBeLessThan(1e-9 * expected);
  });

  test('without an event it is 1 − error^(1/n)', () => {
    expect(clopperPearsonUpper(0, 300, 0.001)).toBeCloseTo(1 - 0.001 ** (1 / 300), 12);
  });

  test('the lower bound mirrors it', () => {
    // The 95 % interval of 5 in 20: (0.0866, 0.4910)
    expect(clopperPearsonLower(5, 20, 0.025)).toBeCloseTo(0.0866, 4);
    expect(clopperPearsonLower(0, 20, 0.025)).toBe(0);
  });

  test.each([
    [-1, 10, 0.1],
    [11, 10, 0.1],
    [1.5, 10, 0.1],
    [0, 0, 0.1],
    [1, 10, 0],
    [1, 10, 1],
    [1, 10, Number.NaN],
  ])('%d of %d at %d is refused', (events, trials, errorProbability) => {
    expect(() => clopperPearsonUpper(events, trials, errorProbability)).toThrow(RangeError);
  });
});
