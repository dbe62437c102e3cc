import { expect, test } from 'vitest';
import { digestOf, vectorsOf } from './testing/basisVectors.ts';

test('a browser derives the vectors of docs/basis.md too, to the last bit', async () => {
  const response = await fetch('/docs/basis.md');
  expect(response.ok).toBe(true);
  const vectors = vectorsOf(await response.text());
  for (const vector of vectors) {
    const { first, sha256 } = vector;
    expect(await digestOf(vector)).toEqual({ first: first.map(Math.fround), sha256 });
  }
  expect(vectors.length).toBeGreaterThan(5);
});
