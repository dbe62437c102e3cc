import { expect, test } from 'vitest';
import { dirichlet } from './dirichlet.ts';
import { RandomStream } from './randomStream.ts';

const DRAWS = 4000;

/** Of one proportion: mean 1/k, variance (1/k)(1 − 1/k)/(k·alpha + 1). */
test.each([
  [0.1, 3],
  [0.5, 2],
  [1, 4],
  [8, 5],
])('alpha %s over %s: mean and variance are those of the distribution', (alpha, size) => {
  const random = new RandomStream(1, `dirichlet ${alpha} ${size}`);
  const firsts = Array.from({ length: DRAWS }, () => {
    const shares = dirichlet(alpha, size, random);
    expect(shares).toHaveLength(size);
    expect(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1)).toBeLessThan(1e-12);
    expect(shares.every((share) => share >= 0)).toBe(true);
    return shares[0]!;
  });
  const mean = firsts.reduce((sum, share) => sum + share, 0) / DRAWS;
  const variance = firsts.reduce((sum, share) => sum + (share - mean) ** 2, 0) / (DRAWS - 1);
  const exact = ((1 / size) * (1 - 1 / size)) / (size * alpha + 1);
  expect(Math.abs(mean - 1 / size)).toBeLessThan(5 * Math.sqrt(exact / DRAWS));
  expect(Math.abs(variance / exact - 1)).toBeLessThan(0.12);
});

test('a tiny alpha gives nearly everything to one, and no NaN', () => {
  const random = new RandomStream(1, 'tiny');
  for (let i = 0; i < 50; i++) {
    const shares = dirichlet(0.001, 4, random);
    expect(shares.every(Number.isFinite)).toBe(true);
    expect(Math.max(...shares)).toBeGreaterThan(0.5);
  }
});
